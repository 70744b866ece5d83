"""kubectl extsvc rules."""

from argparse import ArgumentParser, Namespace

from kubectl_extsvc.commands.exit_codes import ExitCode

DESCRIPTION = "List the rules that verify judges by: code, severity, the stage that they look at, and what they say."
EXAMPLES = """
# List the rules
kubectl extsvc rules

# Read one of them
kubectl extsvc explain XS0403
"""
USAGE = "[flags]"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("json", "name"), default="", help="Output format.")


def run(args: Namespace) -> int:
    from kubectl_extsvc.output.rules_text import rules_table
    from kubectl_extsvc.rules import RULES

    print(rules_table([(rule.code, rule.severity, rule.stage, rule.title) for rule in RULES], args.output), end="")
    return ExitCode.DONE
