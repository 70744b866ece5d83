"""The whole configuration of one proxy, from the objects of the store."""

from pathlib import Path

from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.hosts import OutsideDns
from kubectl_extsvc.sandbox.outside.network import Network
from kubectl_extsvc.sandbox.sidecar.clusters import clusters_of
from kubectl_extsvc.sandbox.sidecar.discovery import Configuration
from kubectl_extsvc.sandbox.sidecar.listeners import listeners_of
from kubectl_extsvc.sandbox.sidecar.mesh_view import Client, mesh_view
from kubectl_extsvc.sandbox.sidecar.routes import routes_of
from kubectl_extsvc.sandbox.sidecar.tls import secrets_of


def configuration_of(
    store: Store, network: Network, dns: OutsideDns, client: Client, *, access_log: Path, capture: Path
) -> Configuration:
    """What a client's proxy is to hold now. access_log is the file for it, capture the socket of its traffic."""
    view = mesh_view(store, client)
    clusters, endpoints = clusters_of(view, network, dns)
    return Configuration(
        listeners=listeners_of(view, dns, access_log, capture),
        routes=routes_of(view),
        clusters=clusters,
        endpoints=endpoints,
        secrets=secrets_of(store, client.namespace),
    )
