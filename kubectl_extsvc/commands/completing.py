"""Candidates for kubectl's completion protocol (kubectl_complete-extsvc, kubectl ≥ 1.26).

kubectl hands over the words after the plugin's name; the last one is being typed. A candidate a line, perhaps with a
tab and a description; the last line is a cobra directive. A failure would show on the user's prompt, so there is none.
"""

from collections.abc import Sequence

from kubectl_extsvc import commands

NO_FILES = ":4"
FILES = ":0"

_FILE_FLAGS = ("--kubeconfig", "--certificate-authority", "--client-certificate", "--client-key")


def candidates(words: Sequence[str]) -> list[str]:
    """Lines to print, the directive last. Verbs and flags only: names would need the cluster."""
    try:
        return _candidates(list(words) or [""])
    except Exception:  # noqa: BLE001 - whatever is wrong, the user's prompt must stay clean
        return [NO_FILES]


def _candidates(words: list[str]) -> list[str]:
    from kubectl_extsvc.commands.parsing import Parser

    *before, typed = words
    if not before:
        return [*(f"{verb}\t{text}" for verb, text in commands.COMMANDS.items() if verb.startswith(typed)), NO_FILES]
    verb = commands.ALSO_KNOWN_AS.get(before[0], before[0])
    if verb not in commands.COMMANDS:
        return [NO_FILES]
    parser = Parser(verb, commands.module_of(verb))
    options = {option: action for action in parser._actions for option in action.option_strings}
    if before[-1] in _FILE_FLAGS:
        return [FILES]
    flag = options.get(before[-1])
    if flag is not None and flag.nargs != 0:
        return [*(str(choice) for choice in flag.choices or () if str(choice).startswith(typed)), NO_FILES]
    if typed.startswith("-"):
        shown = [option for option, action in options.items() if action.help != "==SUPPRESS=="]
        return [*(option for option in sorted(shown) if option.startswith(typed)), NO_FILES]
    named = any(not word.startswith("-") for word in before[1:])
    if verb == "explain" or (verb == "fix" and named):
        from kubectl_extsvc.rules import RULES

        return [*(f"{rule.code}\t{rule.title}" for rule in RULES if rule.code.startswith(typed)), NO_FILES]
    return [NO_FILES]
