"""kubectl's completion protocol: candidates, and a directive as the last line, whatever is typed."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.object_store import ObjectStore, pod

from kubectl_extsvc import commands
from kubectl_extsvc.commands import completing
from kubectl_extsvc.commands.completing import candidates
from kubectl_extsvc.commands.parsing import Parser
from kubectl_extsvc.rules import RULES
from kubectl_extsvc.sandbox.scenarios import names, scenario

WORDS = st.one_of(
    st.sampled_from(
        [*commands.COMMANDS, "get", "--output", "-o", "--", "-", "", "--kubeconfig", "-n", "--wait=", "=", "-A"]
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["ver"], ["verify\tProbe aliases from pods with and without sidecar, and explain what is wrong",
                   "version\tPrint the version", ":4"]),
        (["nope"], [":4"]),
        (["nope", "--"], [":4"]),
        (["verify", "--fail-on", ""], ["error", "warning", "info", ":4"]),
        (["verify", "--fail-on", "w"], ["warning", ":4"]),
        (["verify", "-o", "j"], ["json", "junit", ":4"]),
        (["get", "-o", "wi"], ["wide", ":4"]),
        (["create", "--dry-run", ""], ["none", "client", "server", ":4"]),
        (["verify", "--from-s"], ["--from-selector\tSources: the running pods with these labels", ":4"]),
        (["delete", "--wait", "--ign"], ['--ignore-not-found\tTreat "alias not found" as a successful delete', ":4"]),
        (["delete", "--wait", "--wai"], [":4"]),
        (["verify", "--from", "pod/x", "--from", "dep"], ["deployment/", ":6"]),
        (["verify", "--from=stateful"], ["statefulset/", ":6"]),
        (["verify", "--fail-on=w"], ["warning", ":4"]),
        (["verify", "--path=w"], [":4"]),
        (["verify", "--method", "O"], ["OPTIONS", ":4"]),
        (["create", "--tls-mode", ""], ["auto", "DISABLE", "SIMPLE", "MUTUAL", ":4"]),
        (["completion", "p"], ["powershell", ":4"]),
        (["completion", "bash", ""], [":4"]),
        (["completion", "install", "--into", ""], [":0"]),
        (["help", "expl"], ["explain\tExplain a rule", ":4"]),
        (["lint", ""], [":0"]),
        (["lint", "--mesh", ""], ["auto", "none", ":4"]),
        (["rules", ""], [":4"]),
        (["explain", "XS0403", "XS"], [":4"]),
        (["sandbox", "--scenario", "sni"], ["sni-missing\t" + scenario("sni-missing").title, ":4"]),
        (["sandbox", "--", "verif"], ["verify\t" + commands.COMMANDS["verify"], ":4"]),
        (["sandbox", "--", "kubectl", "extsvc", "verify", "--fail-on", "w"], ["warning", ":4"]),
        (["sandbox", "--", "verify", ""], [":4"]),
        (["delete", "--no-w"], [":4"]),
        (["verify", "my-"], [":4"]),
        (["verify", "--kubeconfig", ""], [":0"]),
        (["verify", "--namespace", "sh"], [":4"]),
        (["explain", "nope"], [":4"]),
        (["fix", ""], [":4"]),
        (["fix", "my-pay", "XS0403"], ["XS0403\tThe server has no such name as the SNI sent", ":4"]),
    ],
)  # fmt: skip
def test_candidates(typed: list[str], found: list[str]) -> None:
    assert candidates(typed) == found


def test_every_verb_is_a_candidate_of_nothing() -> None:
    expected = [f"{verb}\t{summary}" for verb, summary in commands.COMMANDS.items()] + [":4"]
    assert candidates([]) == candidates([""]) == expected


def test_every_shown_flag_is_a_candidate_and_no_hidden_one() -> None:
    *flags, directive = candidates(["delete", "-"])
    assert directive == ":4"
    found = {flag.partition("\t")[0] for flag in flags}
    assert {"--wait", "--all", "-l", "--selector", "--timeout", "-n", "--context"} <= found
    assert not {"--no-wait", "--help", "-h"} & found


def test_codes_are_candidates_of_explain() -> None:
    codes = [line.split("\t")[0] for line in candidates(["explain", "XS04"])]
    assert codes == [*(rule.code for rule in RULES if rule.code.startswith("XS04")), ":4"]
    assert len(codes) > 5


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=5))
def test_no_words_raise_and_the_last_line_is_a_directive(words: list[str]) -> None:
    *lines, directive = candidates(words)
    assert re.fullmatch(r":[0-9]+", directive)
    assert all("\n" not in line and line for line in lines)


def test_every_scenario_is_a_candidate() -> None:
    assert [line.partition("\t")[0] for line in candidates(["sandbox", "--scenario", ""])] == [*names(), ":4"]


def test_every_flag_with_a_value_says_what_completes_it() -> None:
    told = {
        *completing.FREE,
        *completing.FILE_FLAGS,
        *completing.FOLDER_FLAGS,
        *completing.WORDS,
        *completing.KUBECONFIG_FLAGS,
        *completing.NAMESPACE_FLAGS,
        "--scenario",
        "--from",
    }
    flags = {
        option
        for verb in commands.COMMANDS
        for action in Parser(verb, commands.module_of(verb))._actions
        if action.nargs != 0 and not action.choices
        for option in action.option_strings
        if option.startswith("--")
    }
    assert told == flags


# --- names from the cluster and the kubeconfig -----------------------------------------------------------------------


def service(name: str, namespace: str = "default", *, ours: bool = False, **spec: Any) -> dict[str, Any]:
    labels = {"labels": {"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/alias": name}} if ours else {}
    metadata = {"name": name, "namespace": namespace, **labels}
    spec = spec or {"type": "ExternalName", "externalName": "httpbin.org"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@pytest.fixture
def cluster(store: ObjectStore, config: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("KUBECONFIG", str(config))
    store.add(
        service("my-httpbin", ours=True),
        service("theirs"),
        service("web", selector={"app": "web"}, ports=[{"port": 80}]),
        service("cart", "shop", ours=True),
        pod("web-0"),
        pod("web-1", sidecar=True),
        pod("broken", ready=False),
        pod("cron-55", "shop"),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}},
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("default", "shop")),
    )
    return store


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["verify", ""], ["my-httpbin\thttpbin.org", "theirs\thttpbin.org", ":4"]),
        (["tui", "t"], ["theirs\thttpbin.org", ":4"]),
        (["get", "m"], ["my-httpbin\thttpbin.org", ":4"]),
        (["fix", "m"], ["my-httpbin\thttpbin.org", ":4"]),
        (["fix", "-n", "shop", ""], ["cart\thttpbin.org", ":4"]),
        (["fix", "--namespace=shop", "cart", "XS0102"], ["XS0102\tThe name does not resolve", ":4"]),
        (["fix", "cart", "XS0102", ""], [":4"]),
        (["delete", ""], ["my-httpbin\thttpbin.org", ":4"]),
        (["delete", "my-httpbin", ""], [":4"]),
        (["delete", "--all", ""], [":4"]),
        (["verify", "-A", ""], [":4"]),
        (["verify", "-n", "shop", ""], ["cart\thttpbin.org", ":4"]),
        (["verify", "--", "th"], ["theirs\thttpbin.org", ":4"]),
        (["verify", "--bogus", "th"], ["theirs\thttpbin.org", ":4"]),
        (["verify", "-n", ""], ["default", "shop", ":4"]),
        (["verify", "--namespace=s"], ["shop", ":4"]),
        (["create", "--export-to", "default,s"], ["default,shop", ":4"]),
        (["verify", "--from", "pod/"], ["pod/web-0\tplain", "pod/web-1\tsidecar", ":4"]),
        (["verify", "-n", "shop", "--from", "po/"], ["po/cron-55\tplain", ":4"]),
        (["verify", "--from", "deploy/w"], ["deploy/web", ":4"]),
        (["verify", "--from", "pod/cron-55.s"], ["pod/cron-55.shop", ":4"]),
        (["verify", "--from", "thing/w"], [":4"]),
        (["verify", "--context", ""], ["x", ":4"]),
        (["verify", "--cluster", "c"], ["c", ":4"]),
        (["verify", "--user", ""], ["u", ":4"]),
        (["verify", "--kubeconfig", "/nowhere", ""], [":4"]),
        (["verify", "--context", "nowhere", ""], [":4"]),
    ],
    ids=lambda words: " ".join(words),
)  # fmt: skip
def test_names_come_from_the_cluster(cluster: ObjectStore, typed: list[str], found: list[str]) -> None:
    assert candidates(typed) == found


def test_a_name_that_a_shell_would_run_is_not_offered(cluster: ObjectStore, config: Path) -> None:
    text = json.loads(config.read_text())
    text["contexts"] += [{"name": name, "context": {}} for name in ("$(reboot)", "a b", "arn:aws:eks:eu:1:cluster/x")]
    config.write_text(json.dumps(text))
    assert candidates(["verify", "--context", ""]) == ["x", "arn:aws:eks:eu:1:cluster/x", ":4"]


def test_two_requests_find_the_aliases(cluster: ObjectStore) -> None:
    candidates(["verify", ""])
    assert sorted(cluster.server.seen()) == [
        "GET /api/v1/namespaces/default/services",
        "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    ]


def test_nothing_is_asked_for_verbs_and_flags(cluster: ObjectStore) -> None:
    for words in (
        ["ver"],
        ["verify", "-"],
        ["verify", "-o", ""],
        ["create", ""],
        ["lint", ""],
        ["verify", "--context", ""],
    ):
        candidates(words)
    assert cluster.server.seen() == []


# --- the process -----------------------------------------------------------------------------------------------------


def completed(*words: str, env: Mapping[str, str] | None = None, limit: float = 1.0) -> tuple[int, str, str, float]:
    """Exit code, stdout, stderr and seconds of a process of its own; a busy machine may need another limit."""
    begun = time.monotonic()
    script = (
        "import sys; from kubectl_extsvc import cli; from kubectl_extsvc.commands import completing; "
        f"completing.LIMIT = {limit}; sys.exit(cli.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "__complete", *words],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout, done.stderr, time.monotonic() - begun


def kubeconfig(path: Path, server: str, **user: Any) -> dict[str, str]:
    path.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return {"KUBECONFIG": str(path)}


def test_the_protocol_is_spoken_by_the_program() -> None:
    assert completed("verify", "-o", "j")[:3] == (0, "json\njunit\n:4\n", "")


def test_names_are_offered_by_the_program(cluster: ObjectStore) -> None:
    assert completed("delete", "", limit=20)[:3] == (0, "my-httpbin\thttpbin.org\n:4\n", "")


def test_a_server_that_is_silent_costs_a_second_and_no_word(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = kubeconfig(tmp_path / "config", f"http://127.0.0.1:{silent.getsockname()[1]}", token="t")
        *said, seconds = completed("verify", "", env=env)
    assert said == [0, ":4\n", ""]
    assert seconds < 3, "1 s, and what a busy machine adds"
    assert completing.LIMIT == 1


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "http://nowhere.invalid", "nonsense://x"])
def test_a_server_that_is_not_there_is_no_word(tmp_path: Path, server: str) -> None:
    assert completed("verify", "", env=kubeconfig(tmp_path / "config", server), limit=20)[:3] == (0, ":4\n", "")


PLUGIN = """#!/bin/sh
echo asked >> {log}
printf 'Password: ' >&2
(printf 'Password: ' >/dev/tty; read x </dev/tty) 2>/dev/null && echo read >> {log}
read x && echo read >> {log}
test -n "$DISPLAY$WAYLAND_DISPLAY" && echo opened >> {log}
{end}
"""


@pytest.mark.parametrize("mode", ["IfAvailable", "Always", "Never"])
def test_a_credential_plugin_has_nobody_to_ask(tmp_path: Path, mode: str) -> None:
    plugin, log = tmp_path / "plugin", tmp_path / "log"
    plugin.write_text(PLUGIN.format(log=log, end="exit 1"))
    plugin.chmod(0o755)
    exec_block = {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": mode}
    env = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", exec=exec_block)
    assert completed("verify", "", env={**env, "DISPLAY": ":0"}, limit=20)[:3] == (0, ":4\n", "")
    assert (log.read_text() if log.exists() else "") == ("" if mode == "Always" else "asked\n")


def test_a_credential_plugin_that_takes_long_is_ended(tmp_path: Path) -> None:
    plugin, log = tmp_path / "plugin", tmp_path / "log"
    plugin.write_text(f"#!/bin/sh\necho $$ > {log}\nexec sleep 300\n")
    plugin.chmod(0o755)
    exec_block = {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    env = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", exec=exec_block)
    assert completed("verify", "", env=env, limit=5)[:3] == (0, ":4\n", "")
    assert not Path(f"/proc/{log.read_text().strip()}").exists()
