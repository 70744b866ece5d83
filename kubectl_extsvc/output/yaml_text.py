"""YAML that every reader reads alike. Loads the yaml library when it is first called."""

import json
import re
from typing import TYPE_CHECKING, Any

from kubectl_extsvc.model.resources import Json

if TYPE_CHECKING:
    import yaml

# Words without quotes. kubectl reads YAML with go.yaml.in/yaml/v2, whose resolve.go takes more for numbers and
# booleans than PyYAML does: y, n, 1e3, 0b1, 0o7, 1_000, 2026-11-24. All of those but the booleans start with no letter.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9 ._/|>=(),+-]*(?<! )")
_RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def to_yaml(document: Json | list[Any]) -> str:
    """One document, keys in their order, ASCII only, no anchors, no folded lines."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    Dumper.add_representer(str, _scalar)
    # By way of JSON: enum members become the plain words that they are.
    plain = json.loads(json.dumps(document, allow_nan=False))
    text = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=False, width=2**31, default_flow_style=False)
    assert isinstance(text, str)
    return text


def _scalar(dumper: "yaml.SafeDumper", text: str) -> "yaml.ScalarNode":
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")
