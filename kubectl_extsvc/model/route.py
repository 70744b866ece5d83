"""What a sidecar would do with a request: listener → filter chain / virtual host → Envoy cluster → endpoints → TLS."""

from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.resources import ObjectRef


class OutboundTls(StrEnum):
    """What Envoy puts on the wire to an endpoint, whatever the application sends inside."""

    NONE = "none"
    """Passthrough: whatever the application sends, unchanged; no rule could apply."""
    DISABLE = "DISABLE"
    """Plaintext by a rule or for want of one: no TLS of Envoy's own."""
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    AUTO_PLAINTEXT = "auto-mTLS: plaintext"
    """Auto-mTLS, and no endpoint takes mesh TLS."""
    AUTO_ISTIO_MUTUAL = "auto-mTLS: ISTIO_MUTUAL"
    """Auto-mTLS, and every endpoint takes mesh TLS."""
    AUTO_MIXED = "auto-mTLS: mixed"
    UNKNOWN = "unknown"

    @property
    def encrypts(self) -> bool:
        return self in (
            OutboundTls.SIMPLE,
            OutboundTls.MUTUAL,
            OutboundTls.ISTIO_MUTUAL,
            OutboundTls.AUTO_ISTIO_MUTUAL,
            OutboundTls.AUTO_MIXED,
        )


@dataclass(frozen=True, slots=True)
class TlsInEffect:
    """TLS of an Envoy cluster, read from its transport sockets."""

    mode: OutboundTls
    sni: str = ""
    """Fixed SNI, "" if none is set."""
    auto_sni: bool = False
    """SNI follows the Host header."""
    subject_alt_names: tuple[str, ...] = ()
    auto_san_validation: bool = False
    verifies_chain: bool = True
    """False if there is no validation context (insecureSkipVerify)."""
    ca: str = ""
    """SDS name of the trust bundle, for example file-root:system."""


@dataclass(frozen=True, slots=True)
class EnvoyEndpoint:
    address: str
    port: int
    healthy: bool = True
    mesh_tls: bool = False
    """Endpoint metadata tlsMode: istio."""


class RouteKind(StrEnum):
    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Route:
    """The way that one kind of request takes through a sidecar."""

    kind: RouteKind
    listener: str
    """Name, for example 0.0.0.0_80, 10.96.4.7_443, virtualOutbound."""
    envoy_cluster: str
    """outbound|80||host, PassthroughCluster, BlackHoleCluster …; "" for a direct response."""
    filter_chain: str = ""
    route_config: str = ""
    virtual_host: str = ""
    """allow_any, block_all or host:port; "" for TCP."""
    direct_response: int = 0
    """HTTP status that Envoy answers by itself, 0 if it forwards."""
    cluster_type: str = ""
    """EDS, STRICT_DNS, ORIGINAL_DST, STATIC …"""
    cluster_missing: bool = False
    """The route names a cluster that the proxy does not have: 503 NC."""
    cluster_warming: bool = False
    """The cluster waits (alone or beside an older one that goes on serving) in dynamic_warming_clusters."""
    endpoints: tuple[EnvoyEndpoint, ...] = ()
    tls: TlsInEffect = TlsInEffect(OutboundTls.NONE)
    rule: ObjectRef | None = None
    """DestinationRule that the cluster's metadata names. It may be older than the one whose policy counts."""
    virtual_service: ObjectRef | None = None
    """VirtualService that the route's metadata names."""
    host_rewrite: str = ""
    """Literal that replaces the Host header, "" if it stays."""
    request_headers_added: tuple[str, ...] = ()
    """Names, lower case, sorted, of headers that this route's filters add to a request that lacks them."""
    response_headers_changed: tuple[str, ...] = ()
    """Names, lower case, sorted, of headers that the proxy adds or overwrites in a response."""
    observed: bool = True
    """False: computed from the objects, and a report says so."""

    @property
    def passthrough(self) -> bool:
        return self.envoy_cluster in ("PassthroughCluster", "AllowAnyDynamicDNSCluster")

    @property
    def blocked(self) -> bool:
        return self.envoy_cluster == "BlackHoleCluster" or self.virtual_host == "block_all"


@dataclass(frozen=True, slots=True)
class RouteUnknown:
    """The route could not be read."""

    reason: str
    """One line, with the verb that would help."""


@dataclass(frozen=True, slots=True)
class RuleDecision:
    """Which DestinationRule decides for a host and a client, replayed from the objects."""

    rule: ObjectRef | None
    reason: str
    """Why this one, or why none, in one sentence."""
    mode: str
    """TlsMode word of the winning policy for the port, "" if it has no TLS block."""
    losers: tuple[tuple[ObjectRef, str], ...] = ()
    """Rules that cover the host too, each with the reason why it does not count."""
    named: ObjectRef | None = None
    """Rule that the Envoy cluster's metadata will name: the oldest of those merged, which may be a loser."""
