"""Addresses of an outside host: as the cluster sees them if a pod can be asked, else as this machine does."""

import ipaddress
from collections.abc import Callable

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import Refused
from kubectl_extsvc.model.resolution import Resolution
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.operations.resolving import resolve_in_pod
from kubectl_extsvc.operations.sourcing import find_sources
from kubectl_extsvc.operations.wishes import SourceWishes


async def look_up(cluster: Cluster, host: str, namespace: str, say: Callable[[str], None]) -> tuple[str, ...]:
    """The addresses, said on the way whose answer it is. Raises Refused if there is none."""
    found = await find_sources(cluster, SourceWishes(), (namespace,), mesh=False)
    # A plain pod first: a sidecar with DNS capture may answer with an address of its own.
    for source in sorted(found.sources, key=lambda source: source.mode is not MeshMode.PLAIN):
        absolute = f"{host.removesuffix('.')}."
        way = (await resolve_in_pod(cluster, source, (absolute,)))[absolute]
        if isinstance(way, Resolution) and way.addresses:
            say(f"{host} is {', '.join(way.addresses)} as pod/{source.pod} in namespace {source.namespace} sees it; "
                "addresses go stale, --external-name does not")  # fmt: skip
            return way.addresses
    addresses = await _locally(host)
    if not addresses:
        raise Refused(f"{host} resolves neither in the cluster nor here; nothing was changed")
    say(f"{host} is {', '.join(addresses)} as this machine sees it, no pod could be asked; "
        "addresses go stale, --external-name does not")  # fmt: skip
    return addresses


async def _locally(host: str) -> tuple[str, ...]:
    try:
        answers = await anyio.getaddrinfo(host, None)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(ipaddress.ip_address(answer[4][0])) for answer in answers))
