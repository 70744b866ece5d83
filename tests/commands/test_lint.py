"""lint through main: files in, lines and exit code out."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
import yaml
from worlds.object_store import ObjectStore

from kubectl_extsvc.cli import main


class Ran(Protocol):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]

WRONG = """\
apiVersion: v1
kind: Service
metadata:
  name: bin
spec:
  type: ExternalName
  externalName: 203.0.113.10
"""
RIGHT = WRONG.replace("203.0.113.10", "httpbin.org")
SAID = 'XS0101 error: externalName is the IP address "203.0.113.10": DNS has no answer for it'


def lint(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, list[str], list[str]]:
    code = main(["lint", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "wrong.yml").write_text(WRONG)
    (tmp_path / "right.yaml").write_text(RIGHT.replace("bin", "well", 1))
    (tmp_path / "notes.txt").write_text("kind: {")
    return tmp_path


def test_a_folder_is_all_manifests_below_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = lint(capsys, folder)
    assert (code, out[0]) == (1, f"{folder}/deep/wrong.yml:1:1: {SAID}")
    assert err[-1].startswith("1 error in 2 aliases, 2 files")


def test_what_is_well_is_exit_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = lint(capsys, folder / "right.yaml")
    assert (code, out, len(err)) == (0, [], 1)
    assert err[0].startswith("nothing wrong in 1 alias, 1 file · ")


def test_without_an_alias_it_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.yaml").write_text("kind: ConfigMap\n")
    assert lint(capsys, folder / "other.yaml") == (0, [], ["no alias in 1 file"])


def test_a_broken_file_is_exit_2_and_the_others_are_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.json").write_text('{"kind": "Service",\n "metadata": [}')
    code, out, err = lint(capsys, folder)
    assert (code, SAID in out[0]) == (2, True)
    assert err[0].startswith(f"error: {folder}/broken.json:2:15: while parsing a flow")


def test_standard_input_is_a_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(WRONG))
    code, out, _ = lint(capsys, "-")
    assert (code, out[0]) == (1, f"stdin:1:1: {SAID}")


@pytest.mark.parametrize(
    ("fail_on", "code"), [("error", 0), ("warning", 0), ("info", 1)],
)  # fmt: skip
def test_fail_on_is_the_least_severity_that_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fail_on: str, code: int
) -> None:
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "bin"},
        "spec": {"host": "bin.default.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
    }
    (tmp_path / "x.yaml").write_text(f"{RIGHT}---\n{yaml.safe_dump(rule)}")
    done, out, _ = lint(capsys, tmp_path / "x.yaml", "--fail-on", fail_on)
    assert (done, ":9:1: XS0301 info: " in out[0]) == (code, True)


def test_data_formats_say_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lint(capsys, folder, "-o", "json")
    assert (code, [f["code"] for f in json.loads("\n".join(out))["findings"]]) == (1, ["XS0101"])
    code, out, _ = lint(capsys, folder, "-o", "sarif")
    (run,) = json.loads("\n".join(out))["runs"]
    (result,) = run["results"]
    assert (code, run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]) == (1, "XS0101")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "error: a FILE, a folder or - is needed"),
        (["nope.yaml"], 'error: the path "nope.yaml" does not exist'),
        (["x", "--mesh", "none", "--with-cluster"],
         "error: --with-cluster and --mesh exclude each other: the cluster says whether it has Istio"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = lint(capsys, *words)
    assert (code, out, err[0]) == (2, [], said)


def test_with_cluster_the_files_are_judged_on_top_of_it(store: ObjectStore, extsvc: Run, tmp_path: Path) -> None:
    store.istio = ()
    ports = [{"name": "http", "port": 80}]
    store.add({"kind": "Service", "metadata": {"name": "bin"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}})
    slices = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "bin-1", "labels": {"kubernetes.io/service-name": "bin"}},
        "addressType": "IPv4",
        "ports": [{"name": "web", "port": 80}],
        "endpoints": [{"addresses": ["203.0.113.10"]}],
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(slices, sort_keys=False))
    alone = extsvc(f"lint {tmp_path}/x.yaml")
    assert (alone.code, alone.err) == (0, "no alias in 1 file\n")
    ran = extsvc(f"lint {tmp_path}/x.yaml --with-cluster")
    assert (ran.code, ":9:3: XS0202 error: " in ran.out) == (1, True)
    assert store.writes() == []


def test_without_a_cluster_nothing_of_a_cluster_is_loaded(folder: Path) -> None:
    script = (
        "import sys\nfrom kubectl_extsvc.cli import main\n"
        f"main(['lint', {str(folder)!r}])\n"
        "print([name for name in ('kubernetes_asyncio', 'aiohttp', 'anyio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
