"""What istiod makes of the objects for one proxy: its whole configuration, or the way of one request."""

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.outbound_request import OutboundRequest
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.model.snapshot import Snapshot


def computed_config(snapshot: Snapshot, client: Client) -> EnvoyConfig:
    """All that the objects make a client's proxy hold, by istiod's names and with the real addresses.

    snapshot.pods are all pods whose address may be an endpoint's. What could not be read is taken for not there; that
    this may be wrong, computed_route alone tells.
    """
    raise NotImplementedError


def computed_route(snapshot: Snapshot, client: Client, request: OutboundRequest) -> Route | RouteUnknown:
    """The way of a request through a client's proxy as it follows from the objects; observed is False.

    RouteUnknown, with the reason, where something that was not read may decide.
    """
    raise NotImplementedError
