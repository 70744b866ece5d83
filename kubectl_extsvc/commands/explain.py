"""kubectl extsvc explain CODE."""

from argparse import ArgumentParser, Namespace

from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.errors import UsageError

DESCRIPTION = "Explain a rule: what is wrong, why it happens, how it is seen, and the cure."
EXAMPLES = """
# What does XS0403 mean?
kubectl extsvc explain XS0403
"""
USAGE = "CODE [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", default="")


def run(args: Namespace) -> int:
    import difflib

    from kubectl_extsvc.output.rules_text import rule_page
    from kubectl_extsvc.rules import RULES

    if not args.code:
        raise UsageError("a CODE is needed\nSee 'kubectl extsvc rules' for all of them.")
    rule = next((rule for rule in RULES if rule.code == args.code.upper()), None)
    if rule is None:
        close = difflib.get_close_matches(args.code.upper(), [rule.code for rule in RULES], n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise UsageError(f"there is no rule \"{args.code}\"{meant}\nSee 'kubectl extsvc rules' for all of them.")
    print(rule_page(rule.code, rule.severity, rule.stage, rule.title, rule.needs, rule.page), end="")
    return ExitCode.DONE
