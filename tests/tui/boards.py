"""Boards for tests: aliases × sources with given cells, made of the events that the app would get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget
from kubectl_extsvc.model.finding import Finding, Judgement, Severity, Skipped
from kubectl_extsvc.model.live import Judged, Known, LiveEvent
from kubectl_extsvc.model.observation import WAY, Contract, Observation, Stage, StageResult, StageState
from kubectl_extsvc.model.probe import ANOTHER_SOURCE, Answer, NoAnswer, Outcome, Purpose, Scheme, Times, Transfer
from kubectl_extsvc.model.report import AliasReport, SourceReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import EXEC_VERBS, Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.tui.board import Board

NOON = 1_790_000_000.0
"""Seconds since the epoch at which tests stand."""

HTTP_80 = AliasPort("http", 80, 80, AppProtocol.HTTP)
ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))


def source(name: str, mode: MeshMode = MeshMode.SIDECAR, namespace: str = "shop") -> Source:
    return Source(namespace, name, "app", mode)


def plain(name: str, namespace: str = "shop") -> Source:
    return source(name, MeshMode.PLAIN, namespace)


def alias(name: str, target: str = "", namespace: str = "shop") -> Alias:
    """ExternalName for a host, Endpoints for an address; by default NAME.example."""
    target = target or f"{name}.example"
    if target[0].isdigit():
        return Alias(namespace, name, AddressTarget((target,)), (HTTP_80,), ("10.96.4.7",))
    return Alias(namespace, name, HostTarget(target), (HTTP_80,), external_name_raw=target)


def seen(an_alias: Alias, a_source: Source, what: str, port: AliasPort = HTTP_80) -> SourceReport:
    """What one source saw, in a word: a time in ms ("38"), a stage that failed ("tls", "503"),
    "not served", "unseen", "pending", "rbac" or "tool"."""
    host = an_alias.fqdn()
    transfer = Transfer("t1", Purpose.ALIAS, Scheme.HTTP, host, port.number)
    outcome: Outcome
    contract = Contract(True, Scheme.HTTP, host)
    states = dict.fromkeys(Stage, StageState.OK)
    texts = {
        Stage.NAME: f"{host}, 2 ms",
        Stage.DNS: "10.96.4.7 (ClusterIP)",
        Stage.ENDPOINTS: "203.0.113.10:80",
        Stage.ROUTE: f"outbound|80||{host}  EDS 2/2",
        Stage.TLS: "SIMPLE",
        Stage.HTTP: f"200, {what} ms",
    }
    if a_source.mode is not MeshMode.SIDECAR:
        states |= {Stage.ROUTE: StageState.NOT_APPLICABLE, Stage.TLS: StageState.NOT_APPLICABLE}
        texts |= {Stage.ROUTE: "", Stage.TLS: ""}
    status, seconds = 200, 0.0
    match what:
        case "not served":
            states = dict.fromkeys(Stage, StageState.NOT_SERVED)
            contract = replace(contract, served=False, why="origination is the sidecar's work")
        case "unseen" | "rbac" | "tool":
            states = dict.fromkeys(Stage, StageState.NOT_OBSERVED)
        case "pending":
            states |= dict.fromkeys(Stage, StageState.NOT_REACHED) | {Stage.NAME: StageState.PENDING}
        case _ if what.isdigit() and len(what) == 3 and what[0] == "5":
            states[Stage.HTTP], texts[Stage.HTTP], status = StageState.FAILED, f"{what} from Envoy", int(what)
        case _ if what.isdigit():
            seconds = int(what) / 1000
        case _:
            failed = Stage(what)
            for stage in WAY[WAY.index(failed) :]:
                states[stage], texts[stage] = StageState.NOT_REACHED, ""
            states[failed], texts[failed], status = StageState.FAILED, "alert unrecognized_name", 0
    unlock = {"rbac": EXEC_VERBS, "tool": ANOTHER_SOURCE}.get(what, "")
    if what in ("unseen", "rbac", "tool"):
        texts = dict.fromkeys(Stage, "not seen")
        outcome = NoAnswer(transfer, "not seen", unlock)
    else:
        times = Times() if what == "0" else Times(0.002, 0.003, 0.0, seconds, seconds)
        outcome = Answer(transfer, 0, status=status, times=times)
    stages = tuple(StageResult(stage, states[stage], texts[stage]) for stage in Stage)
    return SourceReport(Observation(a_source, port, contract, (outcome,)), stages)


def report(
    an_alias: Alias,
    sources: Sequence[Source],
    cells: Sequence[str],
    *findings: Finding,
    difference: Stage | None = None,
    skipped: tuple[Skipped, ...] = (),
) -> AliasReport:
    return AliasReport(
        alias=an_alias,
        tls="SIMPLE by destinationrule/" + an_alias.name,
        sources=tuple(seen(an_alias, one, what) for one, what in zip(sources, cells, strict=True) if what != "-"),
        judgement=Judgement(findings, skipped, ("XS0101", "XS0102", "XS0103")),
        first_difference=difference,
    )


def finding(
    code: str = "XS0403",
    message: str = 'Envoy sends SNI "payments.shop", the server has no such name',
    severity: Severity = Severity.ERROR,
    stage: Stage = Stage.TLS,
    **more: object,
) -> Finding:
    subject = ObjectRef("DestinationRule", "shop", "payments")
    return replace(Finding(code, severity, stage, subject, message), **more)  # type: ignore[arg-type]


@dataclass
class World:
    """A board that is made step by step."""

    sources: tuple[Source, ...]
    at: float = NOON
    notes: tuple[str, ...] = ()
    reports: list[AliasReport] = field(default_factory=list)

    def add(self, an_alias: Alias, *cells: str, findings: Sequence[Finding] = (), **more: object) -> None:
        """cells: a word for each source, as seen() takes it; none at all: not judged yet."""
        self.reports.append(report(an_alias, self.sources, cells or ["-"] * len(self.sources), *findings, **more))  # type: ignore[arg-type]

    def events(self, rounds: int = 1, history: Mapping[str, Sequence[str]] | None = None) -> list[LiveEvent]:
        """Known, then each source's answers; history: alias → what all its sources saw in earlier rounds."""
        aliases = tuple(one.alias for one in self.reports)
        told: list[LiveEvent] = [
            Known(self.at, aliases, self.sources, Snapshot(mesh=ISTIO), self.notes),
        ]
        for one in self.reports:
            if not one.sources and self.sources:
                continue
            for what in (history or {}).get(one.alias.name, ()):
                past = report(one.alias, self.sources, [what] * len(self.sources))
                told += [Judged(self.at, past, a_source) for a_source in self.sources]
            told += [Judged(self.at, one, a_source) for _ in range(rounds) for a_source in self.sources]
            if not self.sources:
                told.append(Judged(self.at, one, None))
        return told

    def board(self, rounds: int = 1, history: Mapping[str, Sequence[str]] | None = None) -> Board:
        board = Board()
        for event in self.events(rounds, history):
            board.take(event)
        return board


WEB, API, CART, CRON, DBG = source("web"), source("api"), source("cart"), plain("cron"), plain("dbg")
REC = source("rec", MeshMode.AMBIENT)


def shop() -> World:
    """The matrix of the design: six sources of three kinds, and five aliases in two namespaces."""
    world = World((WEB, API, CART, CRON, DBG, REC))
    sni = finding(evidence=("503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME", "destinationrule/payments has no tls.sni"),
                  cure="kubectl extsvc fix payments -n shop XS0403",
                  sources=("shop/web", "shop/api", "shop/cart"))  # fmt: skip
    world.add(alias("payments", "api.pay.example"), "tls", "tls", "tls", "38", "40", "44",
              findings=[sni], difference=Stage.TLS)  # fmt: skip
    world.add(alias("mail", "smtp.example"), "12", "11", "-", "10", "10", "not served")
    drift = finding("XS0207", "the addresses are not those of the name", Severity.WARNING, Stage.ENDPOINTS,
                    sources=("shop/web", "shop/api", "shop/cart"))  # fmt: skip
    world.add(alias("ledger", "203.0.113.4", "billing"), "8", "8", "8", "9", "9", "rbac",
              findings=[drift], difference=Stage.ENDPOINTS,
              skipped=(Skipped("XS0601", "not read", "list networkpolicies.networking.k8s.io"),))  # fmt: skip
    world.add(alias("cdn", "cdn.example"), "6", "unseen", "7", "6", "tool", "6")
    world.add(alias("new", "new.example"))
    return world
