# Completion of kubectl-extsvc for fish. `kubectl extsvc` is completed by kubectl itself.
function __kubectl_extsvc_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l lines (kubectl-extsvc __complete $words[2..-1] "$typed" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l directive (string replace -r '^:' '' -- $lines[-1])
    set -e lines[-1]
    # What is answered is the value of --flag=value.
    set -l flag (string match -r -- '^-[^=]*=' "$typed")
    for line in $lines
        echo -- "$flag$line"
    end
    if test (count $lines) -eq 0 -a "$directive" = 0
        __fish_complete_path (string replace -r -- '^-[^=]*=' '' "$typed")
    end
end
complete -c kubectl-extsvc -f -a '(__kubectl_extsvc_complete)'
