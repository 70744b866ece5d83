"""Istio's task "Kubernetes Services for Egress Traffic", each step by our commands, on a real cluster and mesh,
and in the sandbox.

Every command goes through kubectl's own plugin dispatch; what it claims is held against what curl in the pods sees.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

pytestmark = pytest.mark.sandbox

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SCHEMA = json.loads(files("kubectl_extsvc.output").joinpath("schema/report.v1alpha1.json").read_text())
SIDECAR = ("-n", "default", "deploy/curl", "-c", "curl", "--")
PLAIN = ("-n", "without-istio", "deploy/curl", "-c", "curl", "--")
KINDS = "services,endpointslices,serviceentries,destinationrules,virtualservices"
BOTH = pytest.mark.parametrize("pod", [SIDECAR, PLAIN], ids=["sidecar", "plain"])


def echoed_headers(kubectl: Run, pod: tuple[str, ...], url: str) -> dict[str, str]:
    """Headers as go-httpbin and api.pay.example saw them, names in lower case."""
    echo = json.loads(kubectl("exec", *pod, "curl", "-sS", "-m", "10", url).stdout)
    return {name.lower(): values[0] for name, values in echo["headers"].items()}


def objects_of(kubectl: Run, alias: str) -> set[str]:
    """kind/name of all that is labelled as this alias's, and of its mirrored slices."""
    listed = kubectl("get", KINDS, "-n", "default", "-l", f"extsvc.dev/alias={alias}", "-o", "name").stdout.split()
    of_service = f"kubernetes.io/service-name={alias}"
    slices = kubectl("get", "endpointslices", "-n", "default", "-l", of_service, "-o", "name")
    return set(listed) | set(slices.stdout.split())


def verified(extsvc: Run, *argv: str, exit_code: int = 0) -> dict[str, Any]:
    """The report of verify -o json, whose exit code must be as said; it always keeps to the shipped schema."""
    done = extsvc("verify", *argv, "-o", "json", check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    return report


def by_mode(report: Mapping[str, Any]) -> dict[str, Any]:
    """The sources of a report on one alias with one port: mesh mode → what was seen from there."""
    (alias,) = report["aliases"]
    return {source["mode"]: source for source in alias["sources"]}


def rule_of(source: Mapping[str, Any]) -> str | None:
    """The DestinationRule that the proxy names, as namespace/name."""
    rule = source["route"]["destinationRule"]
    return f"{rule['namespace']}/{rule['name']}" if rule else None


def remote_ip(source: Mapping[str, Any]) -> str:
    """Where the call of the alias itself led to."""
    (address,) = (o["answer"]["remoteIP"] for o in source["outcomes"] if o["transfer"]["purpose"] == "alias")
    return str(address)


def stages(source: Mapping[str, Any]) -> dict[str, str]:
    return {stage["stage"]: stage["state"] for stage in source["stages"]}


def settled(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 20.0) -> Any:
    """What look gives once it is as wanted: a push to the proxies takes a moment. Gives the last look at the end."""
    until = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen) or time.monotonic() > until:
            return seen
        time.sleep(0.3)


def codes(report: Mapping[str, Any]) -> list[str]:
    return [finding["code"] for alias in report["aliases"] for finding in alias["findings"]]


# --- the task's first half: ExternalName -----------------------------------------------------------------------------


def test_the_first_half_of_the_task(extsvc: Run, kubectl: Run) -> None:
    created = extsvc("create", "--external-name", "httpbin.org", "--wait")
    assert created.stdout.splitlines() == [
        "service/my-httpbin created",
        "serviceentry.networking.istio.io/my-httpbin created",
        "destinationrule.networking.istio.io/my-httpbin created",
        "virtualservice.networking.istio.io/my-httpbin created",
    ]

    service = json.loads(kubectl("get", "service", "my-httpbin", "-o", "json").stdout)
    assert (service["spec"]["type"], service["spec"]["externalName"]) == ("ExternalName", "httpbin.org")
    assert "clusterIP" not in service["spec"]

    url = "http://my-httpbin.default.svc.cluster.local/headers"
    plain, sidecar = (echoed_headers(kubectl, pod, url) for pod in (PLAIN, SIDECAR))
    assert {plain["host"], sidecar["host"]} == {"my-httpbin.default.svc.cluster.local"}
    assert set(plain) == {"accept", "host", "user-agent"}

    report = verified(extsvc, "my-httpbin")
    seen = by_mode(report)
    assert set(seen) == {"sidecar", "plain"}
    assert codes(report) == []
    assert set(seen["sidecar"]["route"]["requestHeadersAdded"]) == set(sidecar) - set(plain)
    assert seen["sidecar"]["route"]["tls"]["mode"] == "DISABLE"
    assert rule_of(seen["sidecar"]) == "default/my-httpbin"
    assert seen["plain"]["route"] is None
    assert stages(seen["sidecar"])["http"] == stages(seen["plain"])["http"] == "ok"

    deleted = extsvc("delete", "my-httpbin")
    assert sorted(deleted.stdout.splitlines()) == [
        'destinationrule.networking.istio.io "my-httpbin" deleted',
        'service "my-httpbin" deleted',
        'serviceentry.networking.istio.io "my-httpbin" deleted',
        'virtualservice.networking.istio.io "my-httpbin" deleted',
    ]
    assert objects_of(kubectl, "my-httpbin") == set()
    assert kubectl("get", "service", "my-httpbin", check=False).returncode == 1


# --- the task's second half: addresses -------------------------------------------------------------------------------


def test_the_second_half_of_the_task(extsvc: Run, kubectl: Run) -> None:
    extsvc("create", "my-wikipedia", "--address", "198.51.100.26,198.51.100.27", "--wait")
    assert objects_of(kubectl, "my-wikipedia") == {
        "service/my-wikipedia",
        "endpointslice.discovery.k8s.io/my-wikipedia-ipv4",
        "destinationrule.networking.istio.io/my-wikipedia",
    }
    cluster_ip = kubectl("get", "service", "my-wikipedia", "-o", "jsonpath={.spec.clusterIP}").stdout

    for pod in (SIDECAR, PLAIN):
        page = kubectl(
            "exec", *pod, "curl", "-sS", "-m", "10", "-w", "\n%{remote_ip}",
            "--connect-to", "en.wikipedia.org:443:my-wikipedia.default.svc.cluster.local:443",
            "https://en.wikipedia.org/wiki/Main_Page",
        ).stdout  # fmt: skip
        assert re.findall(r"<title>(.*)</title>", page) == ["Wikipedia, the free encyclopedia"]
        assert page.splitlines()[-1] == cluster_ip

    report = verified(extsvc, "my-wikipedia")
    seen = by_mode(report)
    assert codes(report) == []
    assert {mode: remote_ip(source) for mode, source in seen.items()} == {
        "sidecar": cluster_ip,
        "plain": cluster_ip,
    }
    assert seen["sidecar"]["route"]["envoyCluster"] == "outbound|443||my-wikipedia.default.svc.cluster.local"
    assert seen["sidecar"]["route"]["tls"]["mode"] == "DISABLE"
    assert rule_of(seen["sidecar"]) == "default/my-wikipedia"

    extsvc("delete", "my-wikipedia")
    assert objects_of(kubectl, "my-wikipedia") == set()


def test_verify_asks_for_a_page_and_a_word_in_it(extsvc: Run) -> None:
    extsvc("create", "my-wikipedia", "--address", "198.51.100.26,198.51.100.27", "--host", "en.wikipedia.org", "--wait")
    page = ("--path", "/wiki/Main_Page", "--expect-status", "200")
    assert codes(verified(extsvc, "my-wikipedia", *page, "--expect-body", "free encyclop(a|e)dia")) == []
    assert codes(verified(extsvc, "my-wikipedia", *page, "--expect-body", "pay wall", exit_code=1)) == ["XS0503"]
    extsvc("delete", "my-wikipedia")


# --- TLS originated by the sidecar -----------------------------------------------------------------------------------

ORIGINATING = [
    pytest.param(["--external-name", "api.pay.example", "--port", "http:80:443"], id="external-name"),
    pytest.param(["my-pay", "--address", "203.0.113.20", "--host", "api.pay.example", "--port", "http:80:443"],
                 id="addresses"),
]  # fmt: skip


@pytest.mark.parametrize("policy", ["ALLOW_ANY", "REGISTRY_ONLY"])
@pytest.mark.parametrize("argv", ORIGINATING)
def test_the_sidecar_originates_tls(
    extsvc: Run, kubectl: Run, mesh_policy: Callable[[str], None], argv: list[str], policy: str
) -> None:
    mesh_policy(policy)
    extsvc("create", *argv, "--wait")

    echo = json.loads(
        kubectl("exec", *SIDECAR, "curl", "-sS", "-m", "10", "http://my-pay.default.svc.cluster.local/get").stdout
    )
    assert (echo["sni"], echo["url"]) == ("api.pay.example", "https://api.pay.example/get")
    assert echo["headers"]["X-Forwarded-Proto"] == ["https"]

    report = verified(extsvc, "my-pay")
    seen = by_mode(report)
    assert codes(report) == []
    assert report["aliases"][0]["firstDifference"] is None
    assert seen["sidecar"]["route"]["tls"]["mode"] == "SIMPLE"
    assert seen["sidecar"]["route"]["tls"]["sni"] == "api.pay.example"
    assert rule_of(seen["sidecar"]) == "default/my-pay"
    assert stages(seen["sidecar"])["http"] == "ok"
    assert stages(seen["plain"])["http"] == "not-served"

    extsvc("delete", "my-pay")
    assert objects_of(kubectl, "my-pay") == set()


def test_an_alias_made_anew_in_the_other_form_is_waited_for(extsvc: Run, kubectl: Run) -> None:
    """DNS caches still lead to the first alias's address when the second one is there."""
    name, port = "http://my-pay.default.svc.cluster.local/", ("--port", "http:80:443")
    extsvc("create", "--external-name", "api.pay.example", *port, "--wait")
    for pod in (SIDECAR, PLAIN):
        kubectl("exec", *pod, "curl", "-sS", "-m", "5", "-o", "/dev/null", name, check=False)
    extsvc("delete", "my-pay")

    extsvc("create", "my-pay", "--address", "203.0.113.20", "--host", "api.pay.example", *port, "--wait")
    report = verified(extsvc, "my-pay")
    cluster_ip = kubectl("get", "service", "my-pay", "-o", "jsonpath={.spec.clusterIP}").stdout
    assert codes(report) == []
    assert {mode: remote_ip(source) for mode, source in by_mode(report).items()} == {
        "sidecar": cluster_ip,
        "plain": cluster_ip,
    }
    extsvc("delete", "my-pay")


def test_an_external_name_alias_works_under_registry_only(extsvc: Run, mesh_policy: Callable[[str], None]) -> None:
    mesh_policy("REGISTRY_ONLY")
    extsvc("create", "--external-name", "httpbin.org", "--wait")
    assert codes(verified(extsvc, "my-httpbin")) == []
    extsvc("delete", "my-httpbin")


def test_a_source_in_another_namespace_sees_the_alias_too(extsvc: Run, kubectl: Run, sidecar_elsewhere: str) -> None:
    extsvc("create", "--external-name", "api.pay.example", "--port", "http:80:443", "--wait")
    report = verified(extsvc, "my-pay", "--from", f"deployment/curl.{sidecar_elsewhere}")
    seen = by_mode(report)
    assert codes(report) == []
    assert set(seen) == {"sidecar"}
    assert seen["sidecar"]["namespace"] == sidecar_elsewhere
    assert seen["sidecar"]["route"]["tls"]["mode"] == "SIMPLE"
    extsvc("delete", "my-pay")


# --- a change of the rule is seen ------------------------------------------------------------------------------------


def test_changing_the_destination_rule_changes_mode_rule_and_verdict(extsvc: Run, kubectl: Run) -> None:
    extsvc("create", "my-pay", "--address", "203.0.113.20", "--host", "api.pay.example", "--port", "http:80:443",
           "--wait")  # fmt: skip

    def patch_tls(**tls: str | None) -> None:
        patch = {"spec": {"trafficPolicy": {"tls": tls}}}
        kubectl("patch", "destinationrule", "my-pay", "--type=merge", "-p", json.dumps(patch))

    def state(report: Mapping[str, Any]) -> tuple[str, str | None, list[str]]:
        sidecar = by_mode(report)["sidecar"]
        return sidecar["route"]["tls"]["mode"], rule_of(sidecar), codes(report)

    def look() -> tuple[str, str | None, list[str]]:
        done = extsvc("verify", "my-pay", "-o", "json", check=False)
        return state(json.loads(done.stdout))

    assert look() == ("SIMPLE", "default/my-pay", [])

    patch_tls(mode="DISABLE", sni=None, subjectAltNames=None, caCertificates=None)
    mode, rule, found = settled(look, lambda seen: seen[0] == "DISABLE")
    assert (mode, rule) == ("DISABLE", "default/my-pay")
    assert len(found) == 1

    kubectl("delete", "virtualservice", "my-pay")
    patch_tls(mode="SIMPLE")
    mode, rule, found = settled(look, lambda seen: seen[0] == "SIMPLE" and "XS0403" in seen[2])
    assert (mode, rule, found) == ("SIMPLE", "default/my-pay", ["XS0403"])

    kubectl("delete", "destinationrule", "my-pay")
    mode, rule, found = settled(look, lambda seen: seen[1] is None)
    assert (mode, rule) == ("auto-mTLS: plaintext", None)
    assert len(found) == 1
    extsvc("delete", "my-pay")


def test_a_change_of_proxy_headers_changes_the_stated_headers(
    extsvc: Run, kubectl: Run, proxy_headers: Callable[[Mapping[str, Any]], None]
) -> None:
    extsvc("create", "--external-name", "httpbin.org", "--wait")
    before = by_mode(verified(extsvc, "my-httpbin"))["sidecar"]["route"]["requestHeadersAdded"]
    assert {"x-envoy-attempt-count", "x-request-id"} <= set(before)

    proxy_headers({"attemptCount": {"disabled": True}, "requestId": {"disabled": True}})
    url = "http://my-httpbin.default.svc.cluster.local/headers"
    report = settled(
        lambda: by_mode(verified(extsvc, "my-httpbin"))["sidecar"],
        lambda seen: "x-envoy-attempt-count" not in seen["route"]["requestHeadersAdded"],
    )
    really = set(echoed_headers(kubectl, SIDECAR, url)) - set(echoed_headers(kubectl, PLAIN, url))
    assert set(report["route"]["requestHeadersAdded"]) == really
    assert {"x-envoy-attempt-count", "x-request-id"} & really == set()
    extsvc("delete", "my-httpbin")


# --- nothing is left behind ------------------------------------------------------------------------------------------


def test_kubectl_delete_service_leaves_nothing(extsvc: Run, kubectl: Run) -> None:
    extsvc("create", "--external-name", "httpbin.org")
    extsvc("create", "my-wikipedia", "--address", "198.51.100.26")
    kubectl("delete", "service", "my-httpbin", "my-wikipedia")
    names = ("my-httpbin", "my-wikipedia")
    left = settled(lambda: set().union(*(objects_of(kubectl, name) for name in names)), lambda left: not left)
    assert left == set()


def test_printed_manifests_really_applied_live_on(cluster: Any, extsvc: Run, kubectl: Run) -> None:
    wanted = {
        "my-httpbin": ["--external-name", "httpbin.org"],
        "my-pay": ["--external-name", "api.pay.example", "--port", "http:80:443"],
        "my-pay-ip": ["--address", "203.0.113.20", "--host", "api.pay.example", "--port", "http:80:443"],
    }
    for name, argv in wanted.items():
        printed = extsvc("create", name, *argv, "--dry-run=client", "-o", "yaml").stdout
        assert not re.search(r"ownerReferences|uid|resourceVersion|status:|clusterIP", printed)
        assert f"service/{name} created" in kubectl("apply", "-f", "-", stdin=printed).stdout.splitlines()
    before = {name: objects_of(kubectl, name) for name in wanted}
    time.sleep(cluster.collector_seconds)
    assert {name: objects_of(kubectl, name) for name in wanted} == before
    assert min(len(objects) for objects in before.values()) >= 3
    assert codes(verified(extsvc, *wanted)) == []
    extsvc("delete", *wanted)
    assert {name: objects_of(kubectl, name) for name in wanted} == {name: set[str]() for name in wanted}


def test_two_aliases_of_one_target_do_not_disturb_each_other(extsvc: Run, kubectl: Run) -> None:
    extsvc("create", "bank", "--external-name", "api.pay.example", "--port", "http:80:443")
    extsvc("create", "shop", "--external-name", "api.pay.example", "--port", "http:80:443", "--wait")
    assert codes(verified(extsvc, "bank", "shop")) == []
    extsvc("delete", "bank")
    assert codes(verified(extsvc, "shop")) == []
    extsvc("delete", "shop")
    assert objects_of(kubectl, "shop") == set()


def test_an_interrupted_create_leaves_nothing(
    extsvc_process: Callable[..., "subprocess.Popen[str]"], kubectl: Run
) -> None:
    """SIGINT at many moments: either nothing is there afterwards, or create had already ended well."""
    outcomes: set[tuple[int, int]] = set()
    for delay in (0.25, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.0, 1.4, 2.0, 2.8):
        if delay > 0.7 and (130, 0) in outcomes:
            break  # the later moments are for a machine that is busy
        process = extsvc_process("create", "--external-name", "httpbin.org")
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        # On a slow machine it may hit Python itself, or the first line of __main__.py; that is Python's to word.
        ours = [line for line in errors.splitlines() if "/kubectl_extsvc/" in line and "/__main__.py" not in line]
        assert ours == [], errors
        assert process.returncode in (0, 130, -signal.SIGINT) or "KeyboardInterrupt" in errors, output + errors
        left = objects_of(kubectl, "my-httpbin")
        # What is said on stdout is true: all four, or nothing at all.
        assert left == set(re.findall(r"^(\S+) created$", output, re.MULTILINE)), (delay, output, errors)
        assert len(left) in (0, 4)
        outcomes.add((process.returncode, len(left)))
        if left:
            kubectl("extsvc", "delete", "my-httpbin")
    assert (130, 0) in outcomes


@pytest.mark.parametrize("refused", ["serviceentries", "destinationrules", "virtualservices"])
def test_a_create_that_the_server_refuses_midway_leaves_nothing(
    extsvc: Run, kubectl: Run, refusing: Callable[[str], None], refused: str
) -> None:
    """The server accepts the dry run and refuses the write, as a race or a webhook without dry-run support would."""
    refusing(refused)
    done = extsvc("create", "--external-name", "httpbin.org", check=False)
    assert done.returncode == 2
    assert "refused by the test" in done.stderr
    assert done.stderr.rstrip().endswith("nothing was changed"), done.stderr
    assert objects_of(kubectl, "my-httpbin") == set()


def test_create_done_twice_changes_nothing(extsvc: Run, kubectl: Run) -> None:
    extsvc("create", "--external-name", "httpbin.org")
    before = kubectl("get", KINDS, "-l", "extsvc.dev/alias=my-httpbin", "-o", "json").stdout
    again = extsvc("create", "--external-name", "httpbin.org")
    assert again.stdout.splitlines() == [
        "service/my-httpbin unchanged",
        "serviceentry.networking.istio.io/my-httpbin unchanged",
        "destinationrule.networking.istio.io/my-httpbin unchanged",
        "virtualservice.networking.istio.io/my-httpbin unchanged",
    ]
    assert kubectl("get", KINDS, "-l", "extsvc.dev/alias=my-httpbin", "-o", "json").stdout == before

    other = extsvc("create", "my-httpbin", "--external-name", "en.wikipedia.org", check=False)
    assert (other.returncode, other.stderr) == (
        2,
        'error: alias "my-httpbin" already exists with external name httpbin.org; nothing was changed. '
        "Use --overwrite.\n",
    )
    assert kubectl("get", KINDS, "-l", "extsvc.dev/alias=my-httpbin", "-o", "json").stdout == before
    extsvc("delete", "my-httpbin")


def test_overwrite_removes_what_is_no_longer_wanted(extsvc: Run, kubectl: Run) -> None:
    extsvc("create", "my-pay", "--external-name", "api.pay.example", "--port", "http:80:443")
    extsvc("create", "my-pay", "--address", "203.0.113.20", "--host", "api.pay.example", "--port", "tls:443",
           "--overwrite", "--wait")  # fmt: skip
    assert objects_of(kubectl, "my-pay") == {
        "service/my-pay",
        "endpointslice.discovery.k8s.io/my-pay-ipv4",
        "destinationrule.networking.istio.io/my-pay",
    }
    assert codes(verified(extsvc, "my-pay")) == []
    extsvc("delete", "my-pay")


def test_a_foreign_service_is_never_touched(extsvc: Run, kubectl: Run) -> None:
    kubectl("create", "service", "externalname", "my-httpbin", "--external-name", "httpbin.org")
    before = kubectl("get", "service", "my-httpbin", "-o", "json").stdout
    created = extsvc("create", "--external-name", "httpbin.org", check=False)
    deleted = extsvc("delete", "my-httpbin", check=False)
    assert (created.returncode, deleted.returncode) == (2, 2)
    assert "nothing was changed" in created.stderr
    assert "nothing was changed" in deleted.stderr
    assert kubectl("get", "service", "my-httpbin", "-o", "json").stdout == before
    kubectl("delete", "service", "my-httpbin")


@pytest.mark.testbed
def test_istioctl_analyze_has_nothing_to_say(extsvc: Run, istioctl: Run) -> None:
    extsvc("create", "--external-name", "httpbin.org")
    extsvc("create", "--external-name", "api.pay.example", "--port", "http:80:443")
    extsvc("create", "my-pay-ip", "--address", "203.0.113.20", "--host", "api.pay.example", "--port", "http:80:443")
    extsvc("create", "my-wikipedia", "--address", "198.51.100.26,198.51.100.27", "--wait")
    analysis = json.loads(istioctl("analyze", "-n", "default", "-o", "json").stdout or "[]")
    ours = ("my-httpbin", "my-pay", "my-pay-ip", "my-wikipedia")
    assert [message for message in analysis if any(name in json.dumps(message) for name in ours)] == []
    extsvc("delete", *ours)


def test_probe_pods_come_and_go(extsvc: Run, kubectl: Run, curl_image: str) -> None:
    extsvc("create", "--external-name", "httpbin.org", "--wait")
    report = verified(extsvc, "my-httpbin", "--probe-pods", "--image", curl_image)
    seen = by_mode(report)
    assert set(seen) == {"sidecar", "plain"}
    assert codes(report) == []
    assert settled(lambda: kubectl("get", "jobs", "-A", "-o", "name").stdout, lambda jobs: not jobs) == ""
    extsvc("delete", "my-httpbin")
