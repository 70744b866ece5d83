"""The way that a proxy has beside the one that follows from the objects."""

from kubectl_extsvc.model.route import OutboundTls, Route, RouteUnknown

PER_ENDPOINT = (
    OutboundTls.DISABLE,
    OutboundTls.AUTO_PLAINTEXT,
    OutboundTls.AUTO_ISTIO_MUTUAL,
    OutboundTls.AUTO_MIXED,
)
"""No rule sets TLS: what an endpoint then gets depends on what istiod knew of its pod, and when."""


def differences(observed: Route, computed: Route | RouteUnknown | None) -> tuple[str, ...]:
    """What the proxy does otherwise than the objects say, a line each; none where the objects do not tell."""
    if not isinstance(computed, Route):
        return ()
    if observed.envoy_cluster != computed.envoy_cluster or observed.direct_response != computed.direct_response:
        return (f"the proxy leads to {_end(observed)}, the objects to {_end(computed)}",)
    if observed.cluster_missing or computed.cluster_missing:
        return ()
    found = []
    if observed.rule != computed.rule:
        found.append(f"the proxy has {observed.rule or 'no rule'}, the objects say {computed.rule or 'no rule'}")
    modes = observed.tls.mode, computed.tls.mode
    known = OutboundTls.UNKNOWN not in modes and not all(mode in PER_ENDPOINT for mode in modes)
    if known and modes[0] is not modes[1]:
        found.append(f"the proxy uses {modes[0]}, the objects say {modes[1]}")
    return tuple(found)


def _end(route: Route) -> str:
    return route.envoy_cluster or f"an answer of its own, {route.direct_response}"
