"""Bad input gets one clear line on stderr, the right exit code, no traceback, and no cluster is asked."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: t}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback that refuses connections as long as the test lasts."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def kubeconfig(tmp_path: Path, closed_port: int) -> Path:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.format(port=closed_port))
    return path


def run(argv: list[str], kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kubectl_extsvc", *argv],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=30,
    )


USAGE = [
    ("create --bogus", "error: unknown flag: --bogus"),
    ("create --external-nam httpbin.org", "error: unknown flag: --external-nam (did you mean --external-name?)"),
    ("create --external-name", "error: flag needs an argument: --external-name"),
    ("create", "error: one of --external-name, --address or --host with --lookup is needed; nothing was changed"),
    ("create a b --external-name httpbin.org", "error: unexpected argument 'b'"),
    ("create --external-name httpbin.org --address 203.0.113.1",
     "error: --external-name and --address exclude each other; nothing was changed"),
    ("create --external-name httpbin.org --timeout soon",
     'error: invalid argument "soon" for "--timeout" flag: it must be a time like 30s, 2m or 1h'),
    ("create --external-name httpbin.org --dry-run=perhaps",
     'error: invalid argument "perhaps" for "--dry-run" flag: must be one of \'none\', \'client\', \'server\''),
    ("create --external-name httpbin.org --wait=perhaps",
     'error: invalid argument "perhaps" for "--wait" flag: not a boolean'),
    ("create --external-name httpbin.org --wait --dry-run=client",
     "error: --wait and --verify need the alias to be there: leave out --dry-run; nothing was changed"),
    ("verify --path x", 'error: --path "x" must start with / and have neither spaces nor control characters'),
    ("verify --header nonsense", "error: --header \"nonsense\" must be 'Name: value'"),
    ("verify --expect-status 99",
     'error: --expect-status "99" must be HTTP statuses with commas between, for example 200,204'),
    ("verify --expect-body (",
     "error: --expect-body is no regular expression: missing ), unterminated subpattern at position 0"),
    ("verify --from web", 'error: --from "web" must be KIND/NAME or KIND/NAME.NAMESPACE, for example pod/web-0.shop'),
    ("verify a -A", "error: a NAME cannot be combined with --all-namespaces or --selector"),
    ("verify --ephemeral --probe-pods", "error: --probe-pods and --ephemeral exclude each other"),
    ("verify --ephemeral --no-probe", "error: --no-probe and --ephemeral exclude each other"),
    ("verify -o xml", 'error: invalid argument "xml" for "-o/--output" flag: must be one of'
                      " 'text', 'wide', 'json', 'yaml', 'junit'"),
    ("delete", "error: exactly one of NAME ..., --selector or --all is needed; nothing was changed"),
    ("delete a --all", "error: exactly one of NAME ..., --selector or --all is needed; nothing was changed"),
    ("explain XS9999", 'error: there is no rule "XS9999"'),
    ("-n shop verify", "error: flags come after the command: kubectl extsvc COMMAND -n ..."),
    ("vrify", 'error: unknown command "vrify" for "kubectl extsvc"'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), USAGE, ids=[line for line, _ in USAGE])
def test_a_bad_command_line_is_one_clear_line(line: str, message: str, kubeconfig: Path) -> None:
    done = run(line.split(), kubeconfig)
    first, *rest = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert first == message or (line.startswith("explain") and first.startswith(message))
    # kubectl's own second line, where to read on; and what was perhaps meant.
    assert all(more.startswith(("See '", "Did you mean", "\t")) or not more for more in rest), rest


VALUES = [
    ("--external-name bad_host.org", "bad_host.org"),
    ("--external-name *.example.org", "*.example.org"),
    ("--external-name http://example.org/", "http://example.org/"),
    ("--external-name 203.0.113.10", "--address"),
    ("--external-name 2001:db8::1", "--address"),
    (f"--external-name {'a' * 64}.org", "63"),
    ("--external-name httpbin.org --port 0", "0"),
    ("--external-name httpbin.org --port 70000", "70000"),
    ("--external-name httpbin.org --port http:80:70000", "70000"),
    ("--external-name httpbin.org --port 80 --port 80", "80"),
    ("--external-name httpbin.org --port Bad_Name:80", "Bad_Name"),
    (f"{'n' * 64} --external-name httpbin.org", "63"),
    ("Capital --external-name httpbin.org", "Capital"),
    ("--external-name httpbin.org --tls-mode SOME", "SOME"),
    ("--external-name httpbin.org --tls-mode ISTIO_MUTUAL", "ISTIO_MUTUAL"),
    ("--external-name httpbin.org --export-to No_Namespace", "No_Namespace"),
    ("w --address 127.0.0.1", "127.0.0.1"),
    ("w --address 169.254.169.254", "169.254.169.254"),
    ("w --address 224.0.0.1", "224.0.0.1"),
    ("w --address 239.1.2.3", "239.1.2.3"),
    ("w --address 0.0.0.0", "0.0.0.0"),
    ("w --address 255.255.255.255", "255.255.255.255"),
    ("w --address fe80::1", "fe80::1"),
    ("w --address example.org", "example.org"),
    ("w --address 203.0.113.300", "203.0.113.300"),
    ("--address 203.0.113.1", "NAME"),
]


@pytest.mark.parametrize(("line", "named"), VALUES, ids=[line[:60] for line, _ in VALUES])
def test_a_bad_value_is_named_before_any_cluster_is_asked(line: str, named: str, kubeconfig: Path) -> None:
    done = run(["create", *line.split()], kubeconfig)
    talk = [text for text in done.stderr.splitlines() if not text.startswith("name: ")]
    assert (done.returncode, done.stdout, len(talk)) == (2, "", 1), done.stderr
    assert talk[0].startswith("error: ")
    assert named in talk[0]


@pytest.mark.parametrize("line", ["verify", "list", "delete x", "create --external-name httpbin.org"])
def test_no_cluster_is_kubectls_own_sentence(line: str, kubeconfig: Path, closed_port: int) -> None:
    done = run(line.split(), kubeconfig)
    talk = [text for text in done.stderr.splitlines() if not text.startswith("name: ")]
    assert (done.returncode, done.stdout, talk) == (
        2,
        "",
        [f"The connection to the server 127.0.0.1:{closed_port} was refused - did you specify the right host or port?"],
    )


def test_an_unknown_context_is_named(kubeconfig: Path) -> None:
    done = run(["verify", "--context", "nope"], kubeconfig)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "Error in configuration: context was not found for specified context: nope\n",
    )


def test_a_missing_kubeconfig_is_named(tmp_path: Path, kubeconfig: Path) -> None:
    missing = tmp_path / "nope"
    done = run(["verify", "--kubeconfig", str(missing)], kubeconfig)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: stat {missing}: no such file or directory\n")


def test_manifests_without_mesh_need_no_cluster(kubeconfig: Path) -> None:
    argv = ["create", "--external-name", "httpbin.org", "--mesh", "none", "--dry-run=client", "-o", "name"]
    done = run(argv, kubeconfig)
    assert (done.returncode, done.stdout) == (0, "service/my-httpbin\n")
