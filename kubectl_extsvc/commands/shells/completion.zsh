#compdef kubectl-extsvc
# Completion of kubectl-extsvc for zsh. `kubectl extsvc` is completed by kubectl itself.
_kubectl-extsvc() {
    local -a lines described space
    local directive line
    lines=("${(@f)$(kubectl-extsvc __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${lines[-1]#:}
    lines[-1]=()
    [[ $directive == <-> ]] || return 1
    # What is asked for is the value of --flag=value.
    compset -P '-*='
    for line in "${lines[@]}"; do
        described+=("${${line%%$'\t'*}//:/\\:}${${(M)line%%$'\t'*}:+:${line#*$'\t'}}")
    done
    ((directive & 2)) && space=(-S '')
    if ((${#described})); then
        _describe -V 'kubectl extsvc' described "${space[@]}"
    elif ((!(directive & 4))); then
        _files
    fi
}
if [[ $funcstack[1] == _kubectl-extsvc ]]; then
    _kubectl-extsvc "$@"
else
    compdef _kubectl-extsvc kubectl-extsvc
fi
