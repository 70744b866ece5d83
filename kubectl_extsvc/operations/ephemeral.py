"""--ephemeral: sources without a tool to ask with get an ephemeral container that has one, after a question."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, ClusterError, ExecError, Refused, cause_of
from kubectl_extsvc.mesh.sources import image_of
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.marks import MANAGER
from kubectl_extsvc.model.resources import PODS
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.plans.ephemeral import NAME_PREFIX, addition, probe_container, running_probe_container, state_of
from kubectl_extsvc.plans.probe_pods import DEFAULT_IMAGE
from kubectl_extsvc.probes.batch import MISSING

Consent = Callable[[str], Awaitable[bool]]
"""Asks the user a question, and gives the answer. Raises Refused where there is nobody to ask."""

TOOLS = (("curl", "--version"), ("python3", "--version"))
"""Each can ask everything; what wget and bash leave out is what an ephemeral container is wanted for."""
TOOL_SECONDS = 10.0
POLL_SECONDS = 0.3
NOT_CHANGED = "nothing was changed"
STAYS = "it stays there until the pod is gone"


async def with_probe_containers(
    cluster: Cluster,
    sources: Sequence[Source],
    *,
    image: str,
    timeout: float,
    consent: Consent,
    say: Callable[[str], None],
) -> tuple[Source, ...]:
    """The sources, those without curl and python3 with a container of ours in their place.

    One that runs already is used again; else one is added to each pod, after one question about all of them. If the
    answer is no, the sources stay as they are. timeout is in seconds, for all containers to run. Raises Refused if one
    does not, and ApiError in the server's words.
    """
    lacking = await _without_tools(cluster, sources)
    found = {source: await _running(cluster, source) for source in lacking}
    wanted = [source for source in lacking if not found[source].container]
    if wanted:
        if not await consent(question(wanted, image)):
            say(NOT_CHANGED)
            wanted = []
        for source in wanted:
            found[source] = _looking_from(source, f"{NAME_PREFIX}{secrets.token_hex(3)}", image or DEFAULT_IMAGE)
        try:
            async with anyio.create_task_group() as group:
                for source in wanted:
                    group.start_soon(_add, cluster, found[source], timeout, say)
        except BaseExceptionGroup as errors:
            raise cause_of(errors) from errors
    return tuple(found[source] if source in found and found[source].container else source for source in sources)


def _looking_from(source: Source, container: str, image: str) -> Source:
    # Our container has a user of its own, so that the sidecar captures what it sends.
    return replace(source, container=container, image=image, as_proxy_user=False)


def question(sources: Sequence[Source], image: str) -> str:
    """One line: what is to be added, and that it stays."""
    pods = " and ".join(f"pod/{source.pod} in namespace {source.namespace}" for source in sources)
    one = len(sources) == 1
    return (
        f"{pods} {'has' if one else 'have'} neither curl nor python3 to probe with. Add an ephemeral container "
        f"({image or DEFAULT_IMAGE}){'' if one else ' to each'}? It stays until the pod is gone."
    )


async def _without_tools(cluster: Cluster, sources: Sequence[Source]) -> list[Source]:
    """Those whose container has no tool. One that cannot be asked is left alone: no container would help there."""
    lacking: set[Source] = set()

    async def look(source: Source) -> None:
        for argv in TOOLS:
            try:
                result = await cluster.exec(
                    source.namespace, source.pod, source.container, argv, timeout=TOOL_SECONDS, keep_bytes=1000
                )
            except ExecError as error:
                if not error.executable_missing:
                    return
            except ClusterError:
                return
            else:
                if result.exit_code not in MISSING:
                    return
        lacking.add(source)

    async with anyio.create_task_group() as group:
        for source in sources:
            group.start_soon(look, source)
    return [source for source in sources if source in lacking]


async def still_running(cluster: Cluster, sources: Sequence[Source]) -> tuple[Source, ...]:
    """Of sources that look by a container of ours, those whose container runs; an hour ends it."""
    running: set[Source] = set()

    async def look(source: Source) -> None:
        try:
            pod = await cluster.get(PODS, source.namespace, source.pod)
        except ApiError:
            return
        if state_of(pod, source.container)[0] == "running":
            running.add(source)

    async with anyio.create_task_group() as group:
        for source in sources:
            group.start_soon(look, source)
    return tuple(source for source in sources if source in running)


async def _running(cluster: Cluster, source: Source) -> Source:
    """The source with our container that runs in the pod, "" for none."""
    pod = await cluster.get(PODS, source.namespace, source.pod)
    name = running_probe_container(pod)
    return _looking_from(source, name, image_of(pod, name))


async def _add(cluster: Cluster, source: Source, timeout: float, say: Callable[[str], None]) -> None:
    """Add the source's container to its pod and wait until it runs."""
    where, name = f"pod/{source.pod} in namespace {source.namespace}", source.container
    patch = addition(probe_container(name, source.image))
    try:
        # What was added must be known, though we be interrupted.
        with anyio.CancelScope(shield=True):
            await cluster.merge_patch(
                PODS, source.namespace, source.pod, patch, MANAGER, subresource="ephemeralcontainers", strategic=True
            )
            say(f"added the ephemeral container {name} to {where}; {STAYS}")
    except ApiError as error:
        raise _with_help(error) from error
    state, why = "", ""
    with anyio.move_on_after(timeout):
        while True:
            state, why = state_of(await cluster.get(PODS, source.namespace, source.pod), name)
            if state == "running":
                return
            if state == "terminated":
                break
            await anyio.sleep(POLL_SECONDS)
    reason = f": {one_line(f'{state} {why}')}" if state else ""
    did = "ended at once" if state == "terminated" else f"did not run within {timeout:g} s"
    raise Refused(f"the ephemeral container {name} in {where} {did}{reason}; {STAYS}")


def _with_help(error: ApiError) -> ApiError:
    """The server's refusal, with the right that it takes, and with what was changed."""
    details = error.status.get("details") or {}
    text = str(error)
    if error.code == 403:
        text += " (needs patch on pods/ephemeralcontainers)"
    elif error.code == 404 and not details.get("name"):
        # As kubectl debug tells it (kubectl pkg/cmd/debug/debug.go).
        text = f'error: ephemeral containers are disabled for this cluster (error from server: "{error}")'
    return ApiError(f"{text}; {NOT_CHANGED} there", code=error.code, reason=error.reason, status=error.status)
