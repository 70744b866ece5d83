"""Questions asked in application containers: one exec a source for all transfers, and one look at all names."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.cluster.exec import StdinUnsupported
from kubectl_extsvc.cluster.exec_frames import ExecResult
from kubectl_extsvc.errors import ClusterError, ExecError
from kubectl_extsvc.model.alias import Alias, AliasPort
from kubectl_extsvc.model.finding import Fact
from kubectl_extsvc.model.observation import Contract
from kubectl_extsvc.model.probe import Answer, Certificate, NoAnswer, Outcome, Transfer
from kubectl_extsvc.model.resolution import Resolution, ResolutionUnknown
from kubectl_extsvc.model.snapshot import EXEC_VERBS, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.resolving import resolve_in_pod
from kubectl_extsvc.probes import openssl
from kubectl_extsvc.probes.asking import batches, cannot_ask, read_answers
from kubectl_extsvc.probes.batch import LADDER, MISSING, Batch, Form, Limits, Retry, Tool, merged, next_tool
from kubectl_extsvc.probes.curl_answers import first_words, shown_certificates

EXECS_AT_ONCE = 16
CONNECTING_SECONDS = 10.0
"""What an exec may take besides the command's own time."""
MOST_RUNS = 8
"""Of one source: the rungs of the ladder, and what an old curl needs to be asked again."""
MOST_HEARD = 4
"""Servers of one source that are listened to, one after the other."""
COMMAND_MISSING = 127


@dataclass(frozen=True, slots=True)
class Question:
    """One port of one alias, to be seen from one source."""

    alias: Alias
    port: AliasPort
    source: Source
    contract: Contract
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Replies:
    """What came back from the sources."""

    outcomes: Mapping[tuple[str, str], Outcome] = field(default_factory=dict)
    """(source key, transfer id) → outcome."""
    resolutions: Mapping[tuple[str, str], Resolution | ResolutionUnknown] = field(default_factory=dict)
    """(source key, name) → its way there."""
    resolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Outside host → addresses, as the source resolves it that knows best."""
    unread: Mapping[str, Unread] = field(default_factory=dict)

    def to(self, question: Question) -> tuple[Outcome, ...]:
        """What came back to a question, in the order of its transfers."""
        keys = ((question.source.key, transfer.id) for transfer in question.transfers)
        return tuple(self.outcomes[key] for key in keys if key in self.outcomes)


async def ask_all(
    cluster: Cluster, by_source: Mapping[Source, Sequence[Transfer]], names: Sequence[str], limits: Limits
) -> Replies:
    """All transfers and all names of all sources at once. Outside hosts are the names with a final dot."""
    outcomes: dict[tuple[str, str], Outcome] = {}
    resolutions: dict[tuple[str, str], Resolution | ResolutionUnknown] = {}
    at_once = anyio.CapacityLimiter(EXECS_AT_ONCE)

    async def ask_source(source: Source, transfers: Sequence[Transfer]) -> None:
        async with at_once:
            for outcome in await ask(cluster, source, transfers, limits):
                outcomes[source.key, outcome.transfer.id] = outcome

    async def resolve(source: Source) -> None:
        async with at_once:
            for name, way in (await resolve_in_pod(cluster, source, names)).items():
                resolutions[source.key, name] = way

    async with anyio.create_task_group() as group:
        for source, transfers in by_source.items():
            group.start_soon(ask_source, source, transfers)
            group.start_soon(resolve, source)
    resolved, unread = hosts_resolved(tuple(by_source), names, resolutions)
    return Replies(outcomes, resolutions, resolved, unread)


def hosts_resolved(
    sources: Sequence[Source],
    names: Sequence[str],
    resolutions: Mapping[tuple[str, str], Resolution | ResolutionUnknown],
) -> tuple[dict[str, tuple[str, ...]], dict[str, Unread]]:
    """The addresses of each absolute name from the source that knows best, and what no source could tell."""
    resolved: dict[str, tuple[str, ...]] = {}
    unread: dict[str, Unread] = {}
    # A sidecar with DNS capture may answer with an address of its own: plain sources know better.
    by_trust = sorted(sources, key=lambda source: source.mode is not MeshMode.PLAIN)
    for name in names:
        ways = [resolutions[source.key, name] for source in by_trust] if name.endswith(".") else []
        known = [way.addresses for way in ways if isinstance(way, Resolution) and not way.silent]
        if known:
            resolved[name.removesuffix(".")] = known[0]
        elif ways and isinstance(ways[0], ResolutionUnknown):
            unread[Fact.RESOLUTION] = Unread(Fact.RESOLUTION, ways[0].reason, ways[0].unlock)
        elif ways:
            reason = f"no name server answered pod/{by_trust[0].pod} about {name.removesuffix('.')} in time"
            unread[Fact.RESOLUTION] = Unread(Fact.RESOLUTION, reason, "the cluster's DNS in good time: run again")
    return resolved, unread


async def ask(cluster: Cluster, source: Source, transfers: Sequence[Transfer], limits: Limits) -> tuple[Outcome, ...]:
    """One outcome for each transfer. What cannot be asked is a NoAnswer with the reason; nothing is raised."""
    outcomes: tuple[Outcome, ...] = tuple(NoAnswer(transfer, "not asked") for transfer in transfers)
    stdin_ends = True
    unshown: list[Transfer] = []
    by_curl: set[str] = set()
    # What the best tool lacks that might be there is the reason that counts.
    first_unable: dict[str, NoAnswer] = {}
    open_runs = [Retry(LADDER[0], Form.PARALLEL, tuple(transfers))] if transfers else []
    for _ in range(MOST_RUNS):
        if not open_runs:
            break
        run = open_runs.pop()
        unable = cannot_ask(run.tool, run.transfers)
        outcomes = merged(outcomes, tuple(first_unable.setdefault(each.transfer.id, each) for each in unable))
        # Letters and digits that no server can guess mark our lines among what servers send.
        token = secrets.token_hex(8)
        retries: list[Retry] = []
        if unable and (tool := next_tool(run.tool)) is not None:
            retries.append(Retry(tool, Form.PARALLEL, tuple(each.transfer for each in unable)))
        for batch in batches(run.tool, run.transfers, limits, token, run.form, stdin_ends=stdin_ends):
            match await _run(cluster, source, batch):
                case ExecResult(stdout=stdout, stderr=stderr, exit_code=exit_code):
                    reading = read_answers(batch, stdout, stderr, exit_code)
                    outcomes = merged(outcomes, reading.outcomes)
                    unshown += reading.unshown
                    by_curl |= {each.transfer.id for each in reading.outcomes if batch.tool is Tool.CURL}
                    if reading.retry is not None:
                        retries.append(reading.retry)
                case StdinUnsupported() if stdin_ends:
                    stdin_ends = False
                    open_runs.append(run)
                    break
                case StdinUnsupported() if (tool := next_tool(run.tool)) is not None:
                    retries.append(Retry(tool, Form.PARALLEL, batch.transfers))
                case ExecError() | ClusterError() as error:
                    outcomes = merged(outcomes, tuple(_unanswered(transfer, error) for transfer in batch.transfers))
        open_runs += _together(retries)
    outcomes = merged(outcomes, tuple(each for each in first_unable.values() if _unknown(outcomes, each)))
    chains = await _refused_certificates(cluster, source, unshown, limits, stdin_ends=stdin_ends)
    outcomes = tuple(with_certificates(outcome, chains) for outcome in outcomes)
    unheard = [o.transfer for o in outcomes if is_worth_listening(o, source) and o.transfer.id in by_curl]
    heard = await _first_words(cluster, source, unheard[:MOST_HEARD], limits, stdin_ends=stdin_ends)
    outcomes = tuple(
        replace(o, first_words=heard[o.transfer.id]) if isinstance(o, Answer) and o.transfer.id in heard else o
        for o in outcomes
    )
    chains = await _certificates_by_openssl(cluster, source, outcomes, limits)
    return tuple(with_certificates(outcome, chains) for outcome in outcomes)


def _unknown(outcomes: Sequence[Outcome], unable: NoAnswer) -> bool:
    return any(isinstance(each, NoAnswer) and each.transfer.id == unable.transfer.id for each in outcomes)


async def _refused_certificates(
    cluster: Cluster, source: Source, transfers: Sequence[Transfer], limits: Limits, *, stdin_ends: bool
) -> dict[str, tuple[Certificate, ...]]:
    """Transfer id → what the server shows to somebody who takes anything; nothing is sent to it."""
    chains: dict[str, tuple[Certificate, ...]] = {}
    token = secrets.token_hex(8)
    for batch in batches(Tool.CURL, transfers, limits, token, Form.HANDSHAKE, stdin_ends=stdin_ends):
        result = await _run(cluster, source, batch)
        if isinstance(result, ExecResult):
            chains |= shown_certificates(batch, result.stdout)
    return chains


def is_worth_listening(outcome: Outcome, source: Source) -> bool:
    """May a server be at the other end that speaks first? Behind a sidecar that is Envoy, which waits."""
    connected = isinstance(outcome, Answer) and outcome.exit_code == 0 and outcome.connected
    return connected and outcome.transfer.listen and source.mode is not MeshMode.SIDECAR


async def _first_words(
    cluster: Cluster, source: Source, transfers: Sequence[Transfer], limits: Limits, *, stdin_ends: bool
) -> dict[str, str]:
    """Transfer id → what the server says by itself."""
    heard: dict[str, str] = {}
    token = secrets.token_hex(8)
    for batch in batches(Tool.CURL, transfers, limits, token, Form.LISTEN, stdin_ends=stdin_ends):
        result = await _run(cluster, source, batch)
        if isinstance(result, ExecResult):
            heard |= first_words(batch, result.stdout)
    return heard


async def _certificates_by_openssl(
    cluster: Cluster, source: Source, outcomes: Sequence[Outcome], limits: Limits
) -> dict[str, tuple[Certificate, ...]]:
    """Transfer id → what openssl shows where nothing else did; {} for a container without it."""
    chains: dict[openssl.Server, tuple[Certificate, ...]] = {}
    for server in openssl.unshown(outcomes):
        argv = openssl.command(server, limits)
        batch = Batch(Tool.CURL, (), argv, b"", "", limits.probe_timeout)
        match await _run(cluster, source, batch):
            case ExecResult(exit_code=exit_code, stdout=stdout) if exit_code not in MISSING:
                chains[server] = openssl.chain_in(stdout)
            case _:
                break
    return {o.transfer.id: chain for o in outcomes if (chain := chains.get(openssl.server_of(o.transfer)))}


def with_certificates(outcome: Outcome, chains: Mapping[str, tuple[Certificate, ...]]) -> Outcome:
    """The outcome, with the chain that another handshake showed."""
    chain = chains.get(outcome.transfer.id)
    if not chain or not isinstance(outcome, Answer) or outcome.handshake is None or outcome.handshake.certificates:
        return outcome
    return replace(outcome, handshake=replace(outcome.handshake, certificates=chain))


def _together(retries: Iterable[Retry]) -> list[Retry]:
    """One retry for each tool and form: wget has a batch a transfer, and each wants its own."""
    transfers: dict[tuple[Tool, Form], dict[Transfer, None]] = {}
    for retry in retries:
        transfers.setdefault((retry.tool, retry.form), {}).update(dict.fromkeys(retry.transfers))
    return [Retry(tool, form, tuple(wanted)) for (tool, form), wanted in transfers.items()]


async def _run(cluster: Cluster, source: Source, batch: Batch) -> ExecResult | ExecError | ClusterError:
    """The result of one exec, or why there is none. A missing tool is a result, with the shell's code for it."""
    try:
        return await cluster.exec(
            source.namespace,
            source.pod,
            source.container,
            batch.argv,
            stdin=batch.stdin or None,
            timeout=batch.seconds + CONNECTING_SECONDS,
        )
    except ExecError as error:
        return ExecResult(b"", b"", COMMAND_MISSING) if error.executable_missing else error
    except ClusterError as error:
        return error


def _unanswered(transfer: Transfer, error: ExecError | ClusterError) -> NoAnswer:
    if isinstance(error, ExecError) and error.forbidden:
        return NoAnswer(transfer, f"{error} (needs get and create on pods/exec)", unlock=EXEC_VERBS)
    return NoAnswer(transfer, str(error))
