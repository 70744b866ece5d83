"""Worlds made on a cluster, all of a group at once: what verify says of them, what cures them, what istioctl says."""

import json
import shlex
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from clusters import MADE_BY_TESTS, Cluster, Run, mesh_text, present, set_policy, until, write_mesh_text
from truth.no_istio import without_istio
from truth.objects import Json
from truth.pods import PODS
from truth.world import HANGS, INFO, Around, Found, World

AT_ONCE = 4
ALIASES_OF_A_CALL = 12
"""More at once would be a test of the machine: each alias is several transfers in each source."""
SETTLING_SECONDS = 10.0
"""Of verify: it waits with a bad verdict until nothing is younger."""
PUSH_SECONDS = 1.0
"""Until istiod has told the proxies of all that was written: it waits for 0.1 s of silence, and a push takes 0.2 s."""
CURING_SECONDS = 15.0
"""A push takes a moment, and DNS remembers for 5 s."""

FIX = "kubectl extsvc fix"
DELETE_RULE = ("delete", "destinationrule")

CURABLE = "services,endpointslices,endpoints"
CURABLE_OF_ISTIO = "destinationrules,virtualservices,serviceentries"
"""What a cure may change."""

T = TypeVar("T")
K = TypeVar("K")
KEPT = ("exitCode", "status", "error", "remoteIP", "redirectURL", "accessLog", "body")
"""Of an answer, what a failed test shows."""

Ref = tuple[str, str, str]
"""Kind, namespace, name."""

Call = tuple[str, tuple[str, ...]]
"""One verify for many worlds: namespace and flags."""


@dataclass(slots=True)
class Told:
    """What was said of one world."""

    before: list[Json] = field(default_factory=list)
    """The report's aliases."""
    after: list[Json] | None = None
    """The same once the first finding's cure was carried out; None: it was not."""
    cure: str = ""
    cure_failed: str = ""
    """What the cure said, if it did not end well."""
    touched: list[Ref] = field(default_factory=list)
    """Of a world that nobody wanted cured: objects that the cures of others have changed."""
    istioctl: list[str] = field(default_factory=list)
    """CODE KIND/NAME of what istioctl analyze says of the world's objects."""

    @property
    def found(self) -> tuple[Found, ...]:
        return found_in(self.before)

    @property
    def alarms(self) -> list[str]:
        """Codes of errors and warnings."""
        return sorted({code for code, severity, _ in self.found if severity != INFO})

    @property
    def words(self) -> str:
        cured = [] if self.after is None else [f"--- after: {self.cure}", *words_of(self.after)]
        return "\n".join([*words_of(self.before), *cured])


def found_in(aliases: Iterable[Json]) -> tuple[Found, ...]:
    return tuple((f["code"], f["severity"], subject_of(f)) for alias in aliases for f in alias["findings"])


def subject_of(finding: Json) -> str:
    """KIND/NAMESPACE/NAME; the last part of a mirrored slice's name is the server's invention."""
    kind, namespace, name = (finding["subject"][key] for key in ("kind", "namespace", "name"))
    if kind == "EndpointSlice" and not name.endswith(("-1", "-2", "-6", "-ipv4", "-ipv6")):
        name = name.rpartition("-")[0] + "-*"
    return f"{kind}/{namespace}/{name}"


def words_of(aliases: Iterable[Json]) -> Iterable[str]:
    """For a test that fails: findings, and what each source saw."""
    for alias in aliases:
        yield f"{alias['name']}.{alias['namespace']}"
        for finding in alias["findings"]:
            yield f"  {finding['code']} {finding['severity']} {subject_of(finding)}: {finding['message']}"
            yield from (f"      {line}" for line in finding["evidence"])
            yield f"      cure: {finding['cure']}"
        for source in alias["sources"]:
            yield f"  from {source['pod']} ({source['mode']})"
            for stage in source["stages"]:
                yield f"      {stage['stage']}: {stage['state']} {stage.get('text') or stage.get('words') or ''}"
            for outcome in source["outcomes"]:
                yield f"      {outcome_words(outcome)}"


def outcome_words(outcome: Json) -> str:
    asked = f"{outcome['transfer']['purpose']} {outcome['transfer']['url']}"
    if answer := outcome["answer"]:
        kept = {key: value for key, value in answer.items() if key in KEPT and value not in (None, "", [])}
        return f"{asked} → {json.dumps(kept, ensure_ascii=False)}"
    return f"{asked} → {outcome['noAnswer']}"


class Teller:
    """Tells of the chosen worlds of one cluster, each group when its first world is asked for."""

    def __init__(
        self,
        cluster: Cluster,
        kubectl: Run,
        extsvc: Run,
        istioctl: Run | None,
        foreign: frozenset[str],
        chosen: Sequence[World],
    ) -> None:
        self.cluster, self.kubectl, self.extsvc, self.istioctl = cluster, kubectl, extsvc, istioctl
        self.foreign, self.chosen = foreign, chosen
        self._told: dict[Around, dict[str, Told] | str] = {}

    def of(self, world: World) -> Told:
        if world.around not in self._told:
            group = [each for each in self.chosen if each.around is world.around]
            # Told once: each further world of the group says only that it was not seen.
            self._told[world.around] = (
                f"nothing is known of the worlds {world.around.value}: the first one's test says why"
            )
            self._told[world.around] = self._tell(world.around, group)
        told = self._told[world.around]
        if isinstance(told, str):
            pytest.fail(told, pytrace=False)
        return told[world.id]

    def told(self) -> dict[str, Told]:
        """All that were seen."""
        return {id: each for told in self._told.values() if isinstance(told, dict) for id, each in told.items()}

    # --- one group ---------------------------------------------------------------------------------------------------

    def _tell(self, around: Around, worlds: Sequence[World]) -> dict[str, Told]:
        told = {world.id: Told() for world in worlds}
        with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
            stack.callback(self._remove_all_but, present(self.cluster, self.kubectl))
            if around is Around.NO_ISTIO:
                stack.enter_context(without_istio(self.kubectl))
            if around.policy:
                stack.callback(self._restore_mesh, mesh_text(self.kubectl))
                set_policy(self.kubectl, around.policy)
            self._make(around, worlds, pool)
            born = time.monotonic()
            self._await_pods(worlds)
            time.sleep(max(0.0, born + SETTLING_SECONDS - time.monotonic()))
            for id, aliases in self._verify(worlds, pool).items():
                told[id].before = aliases
            if self.istioctl and around is not Around.NO_ISTIO:
                for id, said in self._analyze(worlds).items():
                    told[id].istioctl = said
            self._cure(around, worlds, told, pool)
        return told

    def _make(self, around: Around, worlds: Sequence[World], pool: ThreadPoolExecutor) -> None:
        pods = sorted({pod for world in worlds for pod in world.pods})
        self._create(around_pods(pods))
        ours = [world.create for world in worlds if world.create]
        list(pool.map(lambda argv: self.extsvc("create", *argv), ours))
        objects = [*around.objects, *(obj for world in worlds for obj in world.objects)]
        if any(world.wants_secret for world in worlds):
            objects += readable_ca((self.cluster.pki / "ca.crt").read_text())
        text = json.dumps(objects)
        for pod in pods:
            if f"IP({pod})" in text:
                text = text.replace(f"IP({pod})", self._address_of(pod))
        self._create(json.loads(text))
        breaking = [tuple(argv) for world in worlds for argv in world.broken_by]
        lost = [argv[2] for argv in breaking if argv[:2] == DELETE_RULE]
        list(pool.map(lambda argv: self.kubectl(*argv), [argv for argv in breaking if argv[:2] != DELETE_RULE]))
        self._delete_rules(lost)

    def _delete_rules(self, names: Sequence[str]) -> None:
        """All in one moment in which no other rule changes.

        Else istiod may push another rule's change from a look at all rules that misses these already, and has nothing
        to compare with when their deletion comes: the proxies keep them (XS0303 says where that is written).
        """
        if not names:
            return
        rules = [f"/apis/networking.istio.io/v1/namespaces/default/destination-rule/{name}" for name in names]

        def held() -> list[str]:
            dump = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_clusters")
            shown = self.kubectl("exec", "deploy/curl", "-c", "istio-proxy", "--", *dump).stdout
            return [rule for rule in rules if f'"{rule}"' in shown]

        until(20, "the sidecar has the rules that are to go", lambda: held() == rules)
        time.sleep(PUSH_SECONDS)
        self.kubectl(*DELETE_RULE, *names)
        until(20, "the sidecar has lost the rules that are gone", lambda: held() == [])

    def _create(self, objects: Sequence[Json]) -> None:
        """As kubectl create does, all with our label, which nothing about an alias depends on."""
        if objects:
            for obj in objects:
                obj["metadata"].setdefault("labels", {})[MADE_BY_TESTS] = "true"
            self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def _address_of(self, pod: str) -> str:
        get = ("get", "pod", pod, "-n", PODS[pod].namespace, "-o", "jsonpath={.status.podIP}")
        until(60, f"an address of pod {pod}", lambda: bool(self.kubectl(*get).stdout))
        return self.kubectl(*get).stdout

    def _await_pods(self, worlds: Sequence[World]) -> None:
        for namespace in sorted({PODS[pod].namespace for world in worlds for pod in world.pods}):
            self.kubectl("wait", "--for=condition=Ready", "pods", "--all", "-n", namespace, "--timeout=90s")

    def _verify(self, worlds: Sequence[World], pool: ThreadPoolExecutor) -> dict[str, list[Json]]:
        """World → its aliases in the report; worlds that are looked at alike share one command."""
        alike = grouped(worlds, lambda world: (world.namespace, world.flags))
        calls = [
            (call, members[first : first + ALIASES_OF_A_CALL])
            for call, members in alike.items()
            for first in range(0, len(members), ALIASES_OF_A_CALL)
        ]
        return {
            world.id: [alias for alias in report if alias["name"] in world.names]
            for (_, members), report in zip(calls, pool.map(self._verify_at_once, calls), strict=True)
            for world in members
        }

    def _verify_at_once(self, call: tuple[Call, Sequence[World]]) -> list[Json]:
        (namespace, flags), worlds = call
        names = [name for world in worlds for name in world.names]
        patience = () if HANGS[0] in flags else ("--probe-timeout=15s",)
        argv = ("verify", *names, "-n", namespace, *flags, *patience, "-o", "json", "--timeout=90s")
        done = self.extsvc(*argv, check=False)
        if not done.stdout:
            return [unseen(name, namespace, done.stderr) for name in names]
        aliases: list[Json] = json.loads(done.stdout)["aliases"]
        assert [alias["broken"] for alias in aliases if alias["broken"]] == []
        return aliases

    def _analyze(self, worlds: Sequence[World]) -> dict[str, list[str]]:
        assert self.istioctl
        namespaces = {obj["metadata"].get("namespace", "") for world in worlds for obj in world.objects}
        namespaces |= {world.namespace for world in worlds}
        said: list[Json] = []
        for namespace in sorted(namespaces - {""}):
            # It ends with 79 where it has found something.
            done = self.istioctl("analyze", "-n", namespace, "-o", "json", check=False)
            said += json.loads(done.stdout or "[]")
        return {world.id: sorted({line for message in said for line in about(world, message)}) for world in worlds}

    def _cure(
        self, around: Around, worlds: Sequence[World], told: Mapping[str, Told], pool: ThreadPoolExecutor
    ) -> None:
        sick = [world for world in worlds if world.cure and world.is_broken and told[world.id].found]
        for world in sick:
            first = next(finding for alias in told[world.id].before for finding in alias["findings"])
            told[world.id].cure = cure_of(world, first)
        kinds = CURABLE if around is Around.NO_ISTIO else f"{CURABLE},{CURABLE_OF_ISTIO}"
        kept = self._states(kinds)
        for world, failed in zip(sick, pool.map(lambda world: self._sh(told[world.id].cure), sick), strict=True):
            told[world.id].cure_failed = failed
        now = self._states(kinds)
        for world in worlds:
            if world not in sick:
                told[world.id].touched = sorted(
                    ref for ref in refs_of(world) & kept.keys() if now.get(ref) != kept[ref]
                )
        end, waiting = time.monotonic() + CURING_SECONDS, sick
        while waiting:
            for id, aliases in self._verify(waiting, pool).items():
                told[id].after = aliases
            waiting = [world for world in waiting if found_in(told[world.id].after or ()) != world.left]
            if time.monotonic() > end:
                break
            time.sleep(0.3)

    def _sh(self, command: str) -> str:
        """Carries a cure out, as a user pastes it. Gives what was said if it did not end well."""
        for _ in range(3):
            done = subprocess.run(
                ["sh", "-c", command], env=self.cluster.env, capture_output=True, text=True, check=False, timeout=120
            )
            # Two worlds' cures may meet at one object: then fix says what a user is to do, and the user does it.
            if "run fix again" not in done.stderr:
                break
        # fix ends with 1 where something else is still wrong, which is judged by what verify says then.
        was_done = done.returncode == 0 or (done.returncode == 1 and FIX in command)
        return "" if was_done else f"{command}\n{done.stdout}{done.stderr}"

    def _states(self, kinds: str) -> dict[Ref, str]:
        """Object → all of it that a cure may change."""
        row = "{.kind}|{.metadata.namespace}|{.metadata.name}|{.spec}{.endpoints}{.ports}{.subsets}{.metadata.labels}"
        shown = self.kubectl("get", kinds, "-A", "-o", "jsonpath={range .items[*]}" + row + '{"\\n"}{end}').stdout
        rows = (line.split("|", 3) for line in shown.splitlines())
        return {(kind, namespace, name): rest for kind, namespace, name, rest in rows}

    def _restore_mesh(self, text: str) -> None:
        write_mesh_text(self.kubectl, text)

    def _remove_all_but(self, before: Any) -> None:
        left = [one for one in present(self.cluster, self.kubectl) - before if one.namespace not in self.foreign]
        namespaces = {one.name for one in left if one.kind == "Namespace"}
        scopes = grouped((one for one in left if one.namespace not in namespaces), lambda one: one.namespace)
        for namespace, objects in sorted(scopes.items(), reverse=True):
            # Services first: what they own goes with them.
            ordered = sorted(objects, key=lambda one: (one.kind != "Service", one))
            scope = ("-n", namespace) if namespace else ()
            names = [f"{one.kind.lower()}/{one.name}" for one in ordered]
            self.kubectl("delete", *names, *scope, "--ignore-not-found", "--wait=false")
        until(40, "the end of all that was made", lambda: present(self.cluster, self.kubectl) <= before)


def unseen(name: str, namespace: str, why: str) -> Json:
    """What stands for the report on an alias that verify has not given."""
    subject = {"kind": "", "namespace": namespace, "name": name}
    finding = {"code": "(none)", "severity": "", "subject": subject, "message": why, "evidence": [], "cure": "false"}
    return {"name": name, "namespace": namespace, "findings": [finding], "sources": []}


def cure_of(world: World, finding: Json) -> str:
    """A command."""
    if world.cure == "fix":
        return shlex.join([*FIX.split(), world.names[0], finding["code"], "--yes", "-n", world.namespace, *world.flags])
    assert world.cure
    return world.cure(finding["cure"])


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def around_pods(pods: Sequence[str]) -> list[Json]:
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in sorted({PODS[pod].namespace for pod in pods})
    ]
    return [
        *namespaces,
        *(obj for pod in pods for obj in PODS[pod].around),
        *(PODS[pod].manifest(pod) for pod in pods),
    ]


def refs_of(world: World) -> set[Ref]:
    written = {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in world.objects}
    if not world.create:
        return written
    kinds = ("Service", "DestinationRule", "VirtualService", "ServiceEntry")
    ours = {(kind, world.namespace, name) for kind in kinds for name in world.names}
    return written | ours | {("EndpointSlice", world.namespace, f"{name}-ipv4") for name in world.names}


def about(world: World, message: Json) -> Iterable[str]:
    """CODE KIND/NAME, if a warning or an error of istioctl analyze is about an object of the world.

    Its origin is "KIND NAMESPACE/NAME".
    """
    kind, _, place = message.get("origin", "").partition(" ")
    namespace, _, name = place.rpartition("/")
    if message["level"] != "Info" and (kind, namespace, name) in refs_of(world):
        yield f"{message['code']} {kind}/{name}"


def readable_ca(certificate: str) -> list[Json]:
    """The Secret pay-ca, with the outside's CA, which the sidecars of deployment/curl may read."""
    name, rbac = "pay-ca", "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": "default"}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {**metadata}, "stringData": {"ca.crt": certificate}},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {**metadata},
         "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}]},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {**metadata},
         "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
         "subjects": [{"kind": "ServiceAccount", "name": "curl", "namespace": "default"}]},
    ]  # fmt: skip
