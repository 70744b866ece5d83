"""Which credential plugins the user's kuberc lets kubectl run (kubectl pkg/kuberc, client-go auth/exec).

An organisation may hand out such a list; a plugin of kubectl that did not look at it would be the way around it.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def refusal(command: str, environ: Mapping[str, str]) -> str:
    """Why a plugin must not run, in one line; "" if it may. command is a path or a name to be looked up in PATH."""
    path = _kuberc(environ)
    if path is None or not path.exists():
        return ""
    preferences = _read(path)
    if preferences is None:
        return f"kuberc: {path} cannot be read, so nobody knows whether it lets plugin {command} run"
    policy, listed = (
        preferences.get("credentialPluginPolicy") or "AllowAll",
        preferences.get("credentialPluginAllowlist"),
    )
    if policy == "AllowAll":
        return ""
    if policy == "DenyAll":
        return f'plugin "{command}" not allowed: policy set to "DenyAll" in {path}'
    if policy != "Allowlist" or not isinstance(listed, list):
        return f'kuberc: {path} has a credentialPluginPolicy "{policy}" that cannot be followed'
    allowed = {str(entry.get("command") or entry.get("name")) for entry in listed if isinstance(entry, dict)}
    found = shutil.which(command, path=environ.get("PATH"))
    found_allowed = {shutil.which(entry, path=environ.get("PATH")) for entry in allowed}
    if os.path.normpath(command) in allowed or (found is not None and found in found_allowed):
        return ""
    return f'plugin path "{found or command}" is not permitted by the credential plugin allowlist in {path}'


def _kuberc(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("KUBERC", "")
    if named == "off" or not (named or environ.get("HOME")):
        return None
    return Path(named) if named else Path(environ["HOME"]) / ".kube" / "kuberc"


def _read(path: Path) -> dict[str, Any] | None:
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return document if isinstance(document, dict) else {} if document is None else None
