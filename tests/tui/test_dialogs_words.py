"""What dialogs say, by values alone."""

from dataclasses import replace

import pytest
from worlds.tui_views import text_of

from kubectl_extsvc.errors import ApiError, Refused
from kubectl_extsvc.model.alias import Alias, HostTarget
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import MergePatch
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.plan import Action, Change, Plan
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICES, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import Candidate, MeshMode, Source
from kubectl_extsvc.operations.fixing import Kept, PlannedFix, Ready
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.plans.fixes import Edit, ForAPerson, Nothing
from kubectl_extsvc.tui.dialogs.delete import Deleting, delete_lines
from kubectl_extsvc.tui.dialogs.entry import Entry, Tried, checked, manifests_of_entry, preview_lines, shown_fields
from kubectl_extsvc.tui.dialogs.evidence import evidence_lines
from kubectl_extsvc.tui.dialogs.explain import page_of
from kubectl_extsvc.tui.dialogs.fix import Fixing, fix_lines, to_copy
from kubectl_extsvc.tui.dialogs.help import help_lines
from kubectl_extsvc.tui.dialogs.interval import interval_of
from kubectl_extsvc.tui.dialogs.shell import shell_argv, shell_lines, shell_words
from kubectl_extsvc.tui.dialogs.sources import (
    Picking,
    one_of_each,
    picks,
    rows,
    sources_lines,
    toggled,
)
from kubectl_extsvc.tui.keys import Key

STYLE = Style(color=True)
ASCII = Style(ascii=True)
ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
PLAIN = Mesh(installed=False)

RULE = ObjectRef("DestinationRule", "shop", "pay")
PATCH: Json = {"spec": {"trafficPolicy": {"tls": {"sni": "api.pay.example"}}}}
FINDING = Finding(
    code="XS0403",
    severity=Severity.ERROR,
    stage=Stage.TLS,
    subject=RULE,
    message='Envoy sends SNI "pay.shop", the server has no such name',
    evidence=("503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME",),
    cure="set tls.sni",
    fix=(MergePatch(RULE, PATCH),),
)


def rule(tls: Json, **metadata: object) -> Json:
    spec = {"host": "pay", "trafficPolicy": {"tls": tls}}
    head = {"apiVersion": DESTINATION_RULES.api_version, "kind": "DestinationRule"}
    return {**head, "metadata": {"name": "pay", "namespace": "shop", **metadata}, "spec": spec}


EDIT = Edit(DESTINATION_RULES, RULE, rule({"mode": "SIMPLE"}), rule({"mode": "SIMPLE", "sni": "api.pay.example"}))
PLANNED = PlannedFix(Alias("shop", "pay", HostTarget("api.pay.example"), ()), FINDING, (EDIT,), ())
READY = Ready(PLANNED, (EDIT,), ('destinationrule/pay in namespace "shop" was not made by kubectl extsvc',))
FIXING = Fixing("pay.shop", FINDING, "it comes first", READY)


def test_a_fix_shows_the_cause_the_fields_that_change_and_whose_they_are() -> None:
    assert (
        text_of(fix_lines(FIXING, 90, STYLE))
        == """\
Cause    Envoy sends SNI "pay.shop", the server has no such name
         503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME
Change
  --- destinationrule.networking.istio.io/pay  namespace shop
  +++ destinationrule.networking.istio.io/pay  namespace shop
    spec:
      trafficPolicy:
        tls:
  +       sni: api.pay.example
Note     destinationrule/pay in namespace "shop" was not made by kubectl extsvc
After    ✓ cured by the same rules, no new error   ✓ server dry run
"""
    )
    assert to_copy(FIXING) == (
        """kubectl patch destinationrule pay -n shop --type=merge -p """
        """'{"spec":{"trafficPolicy":{"tls":{"sni":"api.pay.example"}}}}'"""
    )


def test_what_argo_cd_keeps_is_shown_and_copied_as_it_should_be() -> None:
    kept = replace(FIXING, why="", answer=Kept(PLANNED, ((EDIT, 'Argo CD application "shop"'),)))
    assert (
        text_of(fix_lines(kept, 78, ASCII)).partition("  +       sni: api.pay.example\n")[2]
        == """\
Kept     destinationrule/pay in namespace shop belongs to Argo CD application
         "shop": change it at its source
         nothing was changed; c copies it as it should be
"""
    )
    assert (
        to_copy(kept)
        == """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: pay
  namespace: shop
spec:
  host: pay
  trafficPolicy:
    tls:
      mode: SIMPLE
      sni: api.pay.example
"""
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "Change   being planned …\n"),
        (ForAPerson(FINDING), "Cure     set tls.sni\n         only a person can do it; nothing was changed\n"),
        (Nothing(()), "         there is nothing to fix\n"),
        (Refused("XS0403 would stay: no\nnothing"), "Refused  XS0403 would stay: no\nRefused  nothing\n"),
    ],
)
def test_a_fix_that_cannot_be_made_says_why(answer: object, said: str) -> None:
    fixing = Fixing("pay.shop", FINDING, answer=answer)  # type: ignore[arg-type]
    assert text_of(fix_lines(fixing, 78, STYLE)).partition("UNRECOGNIZED_NAME\n")[2] == said


CHANGES = (
    Change(Action.DELETE, SERVICES, ObjectRef("Service", "shop", "pay"), None, uid="1"),
    Change(Action.DELETE, DESTINATION_RULES, RULE, None, uid="2"),
)


def test_a_deletion_lists_all_that_goes_and_then_what_has_gone() -> None:
    assert (
        text_of(delete_lines(Deleting(Plan(CHANGES)), 70, STYLE))
        == """\
This goes, and nothing else:
  service/pay
  destinationrule.networking.istio.io/pay
"""
    )
    stuck = Deleting(Plan(CHANGES), CHANGES[:1], ApiError("a finalizer holds them", code=500, reason=""))
    assert (
        text_of(delete_lines(stuck, 70, STYLE))
        == """\
This goes, and nothing else:
  service "pay" deleted
  destinationrule.networking.istio.io/pay
a finalizer holds them
"""
    )


def candidate(pod: str, workload: str, namespace: str = "shop", **fields: object) -> Candidate:
    return Candidate(namespace, pod, workload, **{"mode": MeshMode.SIDECAR, **fields})  # type: ignore[arg-type]


PICKING = Picking(
    "shop",
    (
        candidate("web-2", "deployment/web"),
        candidate("web-1", "deployment/web", why_not="it is not ready"),
        candidate("istiod-1", "deployment/istiod", "istio-system", mode=MeshMode.PLAIN),
        candidate("cron-1", "pod/cron-1", "batch", mode=MeshMode.PLAIN),
        candidate("web-3", "deployment/web"),
    ),
    picked=frozenset(("shop/web-3",)),
    trouble=(("batch/cron-1", "no exec"),),
)


def test_pods_are_listed_by_workload_with_why_one_cannot_be_picked() -> None:
    assert (
        text_of(sources_lines(PICKING, 90, STYLE))
        == """\
 -  deployment/web     shop          sidecar   web-1  it is not ready
[ ]                                  sidecar   web-2
[x]                                  sidecar   web-3
[ ] pod/cron-1         batch         plain     cron-1  asked before: no exec
[ ] deployment/istiod  istio-system  plain     istiod-1
"""
    )


def test_pods_are_picked_one_by_one_or_one_of_each_workload_and_never_one_that_cannot_be() -> None:
    web_1, web_2 = rows(PICKING)[:2]
    assert [one.pod for one in picks(toggled(PICKING, web_2))] == ["web-2", "web-3"]
    assert picks(toggled(PICKING, web_1)) == picks(PICKING)
    assert [one.key for one in picks(one_of_each(PICKING))] == ["istio-system/istiod-1", "batch/cron-1", "shop/web-3"]
    filtered = replace(PICKING, words="PLAIN cron")
    assert [one.pod for one in rows(filtered)] == ["cron-1"]
    assert [one.pod for one in picks(one_of_each(filtered))] == ["cron-1"]


URL = Entry(target="https://api.pay.example/v1", namespace="shop")


@pytest.mark.parametrize(
    ("entry", "mesh", "wrong"),
    [
        (Entry(), ISTIO, ("", "")),
        (URL, ISTIO, ("", "")),
        (replace(URL, target="api_x.example"), ISTIO,
         ("target", '"api_x.example" has an underscore, which Kubernetes and TLS refuse in a host name')),
        (replace(URL, name="Pay"), ISTIO,
         ("name", 'invalid alias name "Pay": a Service\'s name has at most 63 lower case letters, digits and \'-\', '
                  "starts with a letter and ends with a letter or digit")),
        (replace(URL, ports="http:0"), ISTIO, ("ports", '"0" in "http:0" is not between 1 and 65535')),
        (replace(URL, namespace="A"), ISTIO,
         ("namespace", "invalid namespace \"A\": it has at most 63 lower case letters, digits and '-', and starts and "
                       "ends with a letter or digit")),
        (replace(URL, target="198.51.100.26"), PLAIN,
         ("name", "a NAME is needed where no host is given; nothing was changed")),
        (replace(URL, tls="SIMPLE"), PLAIN,
         ("tls", "clients speak TLS themselves to port tls:443, and --tls-mode SIMPLE would encrypt it once more; "
                   "nothing was changed. Use --tls-mode DISABLE, or --port http:80:443 for clients that speak plain "
                   "HTTP.")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(entry: Entry, mesh: Mesh, wrong: tuple[str, str]) -> None:
    found = checked(entry, mesh, Snapshot(mesh=mesh))
    assert (found.field, found.error) == wrong


def test_a_url_proposes_name_ports_and_who_adds_the_tls() -> None:
    found = checked(URL, ISTIO, Snapshot(mesh=ISTIO))
    assert (
        text_of(preview_lines(URL, found, Tried(URL, found.created), 110, STYLE))
        == """\
Makes in shop   ✓ server dry run
+ service/my-pay
    the cluster's DNS answers my-pay.shop.svc.cluster.local with api.pay.example
+ serviceentry.networking.istio.io/my-pay
    makes api.pay.example known to sidecars under a host that only this alias uses, so direct calls of the
    target stay as they are
+ destinationrule.networking.istio.io/my-pay
    the sidecar adds TLS (SIMPLE) for api.pay.example on all ports
+ virtualservice.networking.istio.io/my-pay
    leads requests for the alias to my-pay.shop.extsvc.internal and gives them the Host that the server knows,
    api.pay.example
TLS SIMPLE: SNI api.pay.example, SANs api.pay.example

How it is called
pod with sidecar: curl http://my-pay.shop/ (plain; the sidecar adds TLS for api.pay.example)
pod without sidecar: port 80 is not served, only a sidecar adds the TLS
"""
    )
    plain = checked(URL, PLAIN, Snapshot()).created
    assert plain is not None
    assert [str(port) for port in plain.intent.ports] == ["tls:443"]


def test_without_the_right_the_manifests_are_offered() -> None:
    entry = Entry(target="198.51.100.26", name="wiki", namespace="shop")
    found = checked(entry, PLAIN, Snapshot())
    forbidden = ApiError('Error from server (Forbidden): services "wiki" is forbidden', code=403, reason="Forbidden")
    tried = Tried(entry, forbidden)
    assert (
        text_of(preview_lines(entry, found, tried, 110, ASCII)).splitlines()[0]
        == "Makes in shop   FAIL the server refuses"
    )
    assert text_of(preview_lines(entry, found, tried, 110, ASCII)).splitlines()[-6:-3] == [
        'Error from server (Forbidden): services "wiki" is forbidden',
        "ctrl+y shows the manifests, for somebody who has the right",
        "",
    ]
    assert [text for text in manifests_of_entry(entry, found, tried).splitlines() if text.startswith("kind")] == [
        "kind: Service",
        "kind: EndpointSlice",
    ]


def test_a_name_that_is_taken_is_said_before_the_server_is_asked() -> None:
    taken: Json = {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"type": "ExternalName"}}
    found = checked(URL, ISTIO, Snapshot(mesh=ISTIO, services=(taken,)))
    assert found.field == "name"
    assert found.error.startswith('service "my-pay" in namespace "shop" was not made by kubectl extsvc')


@pytest.mark.parametrize(
    ("entry", "mesh", "fields"),
    [
        (Entry(), PLAIN, "target name namespace form ports"),
        (Entry(target="h.example"), ISTIO, "target name namespace form ports tls mesh"),
        (URL, ISTIO, "target name namespace form ports tls sni sans ca mesh"),
        (Entry(target="198.51.100.26"), ISTIO, "target name namespace host ports tls mesh"),
        (Entry(target="h.example", tls="MUTUAL"), ISTIO,
         "target name namespace form ports tls sni sans ca certificate key mesh"),
    ],
)  # fmt: skip
def test_only_fields_that_mean_something_are_shown(entry: Entry, mesh: Mesh, fields: str) -> None:
    assert " ".join(shown_fields(entry, mesh)) == fields


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10s", 10.0),
        (" 2m ", 120.0),
        ("0.5s", "1s is the least"),
        ("0", "1s is the least"),
        ("soon", '"soon" is no time like 10s, 2m or 1h'),
    ],
)
def test_an_interval_is_a_time_of_at_least_a_second(text: str, found: float | str) -> None:
    assert interval_of(text) == found


def test_help_says_which_keys_readonly_takes_away() -> None:
    groups = (("Act", (Key(("f", "ctrl+f"), "fix", "fix it", changes=True), Key(("slash",), "filter", "filter"))),)
    assert (
        text_of(help_lines(groups, 60, STYLE, readonly=True))
        == """\
Act
  f ctrl+f           fix it (not with --readonly)
  /                  filter
"""
    )


def test_evidence_is_folded_and_keeps_its_indentation() -> None:
    assert (
        text_of(evidence_lines(("spec:", "  host: pay.shop.svc.cluster.local one", ""), 24, STYLE))
        == """\
spec:
  host:
  pay.shop.svc.cluster.l
  ocal one

"""
    )


def test_a_rule_is_explained_by_its_page() -> None:
    assert page_of("XS0403")[0] == "XS0403  The server has no such name as the SNI sent"


def test_a_shell_is_opened_by_kubectl_in_the_container_that_is_probed_from() -> None:
    source = Source("shop", "web-1", "app", MeshMode.SIDECAR)
    assert shell_argv("/bin/kubectl", source, ("--context", "prod")) == [
        "/bin/kubectl", "exec", "-it", "--context", "prod", "-n", "shop", "-c", "app", "web-1", "--", "sh",
    ]  # fmt: skip
    assert text_of(shell_lines((source,), 60, STYLE)) == "web-1 (sidecar) in shop, container app\n"


def test_before_a_shell_begins_it_is_said_what_runs_and_how_to_come_back() -> None:
    argv = shell_argv("/bin/kubectl", Source("shop", "web-1", "app\x1b[2J", MeshMode.SIDECAR), ())
    assert shell_words(argv, STYLE) == [
        "$ kubectl exec -it -n shop -c app[2J web-1 -- sh",
        "extsvc waits, and nothing is probed, until this shell ends: exit or ctrl+d. ctrl+c where it does not begin.",
    ]
