"""How names lead to addresses in a pod: one look for all names, by the best tool that the container has."""

from collections.abc import Mapping, Sequence

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.cluster.exec import StdinUnsupported
from kubectl_extsvc.cluster.exec_frames import ExecResult
from kubectl_extsvc.errors import ClusterError, ExecError, UsageError
from kubectl_extsvc.model.resolution import Resolution, ResolutionUnknown
from kubectl_extsvc.model.snapshot import EXEC_VERBS
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.probes import name_program, nslookup, resolv_conf
from kubectl_extsvc.probes.batch import MISSING
from kubectl_extsvc.probes.getent import getent_addresses, getent_command
from kubectl_extsvc.probes.resolv_conf import ResolvConf, resolv_conf_of

CONNECTING_SECONDS = 10.0
"""What an exec may take besides the command's own time."""
GETENT_SECONDS = 5.0
GETENT_NAMES = 60
"""They stand in the URL of the exec, and gateways take 8 KiB of URL."""

Ways = dict[str, Resolution | ResolutionUnknown]

BETTER_SOURCE = "a source with python3, nslookup or getent (--from, --ephemeral, --probe-pods)"


async def resolve_in_pod(cluster: Cluster, source: Source, names: Sequence[str]) -> Ways:
    """Name → its way. A name with a final dot is absolute, any other goes through the pod's search list.

    One exec where the container has python3; else one for resolv.conf, and one more for nslookup or getent. An image of
    curl's own, which has no python3, is not asked for it first. Nothing is raised: what cannot be found out is unknown,
    with the reason.
    """
    if not names:
        return {}
    found: Ways = {}
    try:
        python3_last = is_of_curl(source.image)
        if not python3_last:
            found |= await _by_python3(cluster, source, names)
        if not found:
            conf = await _resolv_conf(cluster, source)
            found |= await _by_nslookup(cluster, source, names, conf)
            if not found and python3_last:
                found |= await _by_python3(cluster, source, names)
            if not found:
                found |= await _by_getent(cluster, source, names, conf)
    except (ExecError, ClusterError, UsageError) as error:
        forbidden = isinstance(error, ExecError) and error.forbidden
        reason = f"{error} (needs get and create on pods/exec)" if forbidden else str(error)
        unknown = ResolutionUnknown(reason, EXEC_VERBS if forbidden else BETTER_SOURCE)
    else:
        none = f"pod/{source.pod} has no tool that tells: none of python3, nslookup, getent"
        unknown = ResolutionUnknown("the name was not told whole" if found else none, BETTER_SOURCE)
    return {name: found.get(name, unknown) for name in names}


def is_of_curl(image: str) -> bool:
    """Is it curl's own image, or a copy of it by that name? It has busybox's nslookup, and no python3."""
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return repository == "curl"


async def _by_python3(cluster: Cluster, source: Source, names: Sequence[str]) -> Mapping[str, Resolution]:
    seconds = name_program.seconds_of(names)
    result = await _exec(cluster, source, name_program.ARGV, name_program.stdin_of(names), seconds)
    return name_program.resolutions_in(result.stdout)


async def _resolv_conf(cluster: Cluster, source: Source) -> ResolvConf | None:
    result = await _exec(cluster, source, resolv_conf.COMMAND)
    conf = resolv_conf_of(result.stdout.decode("utf-8", "replace"))
    return conf if conf.name_servers else None


async def _by_nslookup(
    cluster: Cluster, source: Source, names: Sequence[str], conf: ResolvConf | None
) -> Mapping[str, Resolution]:
    if conf is None:
        # Without the search list, its way would be a guess.
        return {}
    stdin = nslookup.stdin_of(names, conf)
    seconds = nslookup.seconds_of(names, conf)
    result = await _exec(cluster, source, nslookup.command(names, conf), stdin, seconds)
    return nslookup.resolutions_in(names, conf, result.stdout, result.exit_code)


async def _by_getent(
    cluster: Cluster, source: Source, names: Sequence[str], conf: ResolvConf | None
) -> Mapping[str, Resolution]:
    asked = names[:GETENT_NAMES]
    result = await _exec(cluster, source, getent_command(asked), seconds=GETENT_SECONDS)
    known = getent_addresses(asked, result.stdout.decode("utf-8", "replace"), result.exit_code)
    conf = conf or ResolvConf()
    return {
        name: Resolution(name, "getent", (), addresses, conf.name_servers, conf.search, conf.ndots)
        for name, addresses in known.items()
    }


async def _exec(
    cluster: Cluster, source: Source, argv: Sequence[str], stdin: bytes | None = None, seconds: float = 0.0
) -> ExecResult:
    """The result of one exec. What is missing, or cannot be given its standard input, is a result without a word."""
    try:
        return await cluster.exec(
            source.namespace, source.pod, source.container, argv, stdin=stdin, timeout=seconds + CONNECTING_SECONDS
        )
    except StdinUnsupported:
        return ExecResult(b"", b"", MISSING[0])
    except ExecError as error:
        if not error.executable_missing:
            raise
        return ExecResult(b"", b"", MISSING[0])
