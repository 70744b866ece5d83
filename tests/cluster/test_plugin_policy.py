"""A kuberc that restricts kubectl's credential plugins restricts ours."""

from pathlib import Path

import pytest

from kubectl_extsvc.cluster.credentials import Login
from kubectl_extsvc.cluster.plugin_policy import refusal
from kubectl_extsvc.errors import ConfigurationError

ALLOW = "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: %s}]\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with plugin login on PATH; the kuberc is still to be written."""
    for folder in ("bin", "home/.kube"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin" / "login").touch(mode=0o755)
    return {"PATH": f"{tmp_path}/bin", "HOME": f"{tmp_path}/home"}


@pytest.mark.parametrize(
    ("kuberc", "command", "reason"),
    [
        ("", "login", ""),
        ("kind: Preference\n", "login", ""),
        ("credentialPluginPolicy: AllowAll\n", "login", ""),
        (ALLOW % "login", "login", ""),
        (ALLOW % "login", "{bin}/login", ""),
        (ALLOW % "{bin}/login", "login", ""),
        (
            "credentialPluginPolicy: DenyAll\n",
            "login",
            'plugin "login" not allowed: policy set to "DenyAll" in {kuberc}',
        ),
        (
            ALLOW % "aws",
            "login",
            'plugin path "{bin}/login" is not permitted by the credential plugin allowlist in {kuberc}',
        ),
        (ALLOW % "aws", "gone", 'plugin path "gone" is not permitted by the credential plugin allowlist in {kuberc}'),
        (
            "credentialPluginPolicy: Allowlist\n",
            "login",
            'kuberc: {kuberc} has a credentialPluginPolicy "Allowlist" that cannot be followed',
        ),
        ("a: b: c", "login", "kuberc: {kuberc} cannot be read, so nobody knows whether it lets plugin login run"),
    ],
)
def test_a_plugin_runs_only_if_the_kuberc_lets_it(
    tmp_path: Path, environ: dict[str, str], kuberc: str, command: str, reason: str
) -> None:
    path = tmp_path / "home" / ".kube" / "kuberc"
    path.write_text(kuberc.replace("{bin}", environ["PATH"]))

    assert refusal(command.format(bin=environ["PATH"]), environ) == reason.format(kuberc=path, bin=environ["PATH"])


def test_the_environment_names_another_kuberc_or_none(tmp_path: Path, environ: dict[str, str]) -> None:
    other = tmp_path / "other"
    other.write_text("credentialPluginPolicy: DenyAll\n")

    assert refusal("login", environ | {"KUBERC": str(other)}) != ""
    assert refusal("login", environ | {"KUBERC": "off"}) == ""
    assert refusal("login", environ) == ""
    assert refusal("login", {}) == ""


async def test_a_forbidden_plugin_is_not_started(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "home" / ".kube" / "kuberc").write_text("credentialPluginPolicy: DenyAll\n")
    block = {"apiVersion": "client.authentication.k8s.io/v1", "command": "login", "interactiveMode": "Never"}

    with pytest.raises(ConfigurationError, match=r'^getting credentials: plugin "login" not allowed: policy set to'):
        await Login({"exec": block}, {}, environ).loader_user()
