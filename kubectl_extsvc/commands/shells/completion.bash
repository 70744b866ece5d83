# Completion of kubectl-extsvc for bash, 3.2 and newer. `kubectl extsvc` is completed by kubectl itself.
_kubectl_extsvc() {
    local line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]} typed value head directive candidate
    local -a words lines
    COMPREPLY=()
    # COMP_WORDS are broken at = and : too, where the readline of this shell says so.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    typed=${words[${#words[@]} - 1]}
    while IFS= read -r candidate; do
        lines+=("$candidate")
    done < <(kubectl-extsvc __complete "${words[@]:1}" 2>/dev/null)
    ((${#lines[@]})) || return 0
    directive=${lines[${#lines[@]} - 1]#:}
    unset "lines[$((${#lines[@]} - 1))]"

    # What is asked for is the value of --flag=value; what is replaced, only what readline takes for the current word.
    value=$typed
    [[ $typed == -*=* ]] && value=${typed#*=}
    [[ $current == [=:] ]] && current=
    if [[ $current == -*=* ]]; then
        head=${current%%=*}=
        for candidate in "${lines[@]}"; do COMPREPLY+=("$head${candidate%%$'\t'*}"); done
    else
        head=${value%"$current"}
        for candidate in "${lines[@]}"; do
            candidate=${candidate%%$'\t'*}
            COMPREPLY+=("${candidate#"$head"}")
        done
    fi
    if ((directive & 2)) && type compopt >/dev/null 2>&1; then compopt -o nospace; fi
    if ((!${#lines[@]} && !(directive & 4))); then
        type compopt >/dev/null 2>&1 && compopt -o filenames
        while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "$value")
    fi
}
complete -F _kubectl_extsvc kubectl-extsvc
