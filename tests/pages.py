"""docs/rules.md, made of the rules' own pages. `make docs` writes it."""

from pathlib import Path

from kubectl_extsvc.output.rules_text import rule_page
from kubectl_extsvc.rules import RULES

PAGE = Path(__file__).parents[1] / "docs" / "rules.md"
HEAD = """\
# The rules

What `kubectl extsvc verify` judges by. This page is written by `make docs`, from the pages that
`kubectl extsvc explain CODE` prints. How well they judge is in [truth.md](truth.md).

| Code | Severity | Stage | What is wrong |
| --- | --- | --- | --- |
"""


def rules_page() -> str:
    rows = [f"| [{r.code}](#{r.code.lower()}) | {r.severity} | {r.stage} | {r.title} |\n" for r in RULES]
    pages = [
        f"\n## {r.code}\n\n```text\n{rule_page(r.code, r.severity, r.stage, r.title, r.needs, r.page)}```\n"
        for r in RULES
    ]
    return HEAD + "".join(rows) + "".join(pages)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(rules_page())
