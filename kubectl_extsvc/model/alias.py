"""An alias: what somebody wants, and what is there."""

from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.resources import ObjectRef


class Form(StrEnum):
    """The two ways that Kubernetes has to give an external service a local name."""

    EXTERNAL_NAME = "ExternalName"
    ENDPOINTS = "Endpoints"


class TlsMode(StrEnum):
    """trafficPolicy.tls.mode of a DestinationRule, in Istio's words."""

    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"


class AppProtocol(StrEnum):
    """What Istio takes a port for (pkg/config/kube/conversion.go)."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "Mongo"
    MYSQL = "MySQL"
    REDIS = "Redis"
    UDP = "UDP"
    AUTO = "Auto"

    @property
    def is_http(self) -> bool:
        """Plain HTTP that Envoy parses."""
        return self in (AppProtocol.HTTP, AppProtocol.HTTP2, AppProtocol.GRPC, AppProtocol.GRPC_WEB)

    @property
    def is_tls(self) -> bool:
        """TLS that the client speaks itself."""
        return self in (AppProtocol.HTTPS, AppProtocol.TLS)


@dataclass(frozen=True, slots=True)
class AliasPort:
    """A port of the alias as a client sees it."""

    name: str
    """As in the Service; "" if unnamed."""
    number: int
    target_port: int
    """The port dialled at the target."""
    protocol: AppProtocol

    @property
    def originates(self) -> bool:
        """An HTTP port whose target port is the usual one of TLS: somebody must add the TLS on the way."""
        return self.protocol.is_http and self.number != self.target_port and self.target_port in (443, 8443)

    def __str__(self) -> str:
        """As create's --port takes it: http:80:443, or tls:443 if the target port is the same, 5432 without a name."""
        name = f"{self.name}:" if self.name else ""
        target = f":{self.target_port}" if self.target_port != self.number else ""
        return f"{name}{self.number}{target}"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """trafficPolicy.tls of a DestinationRule. Paths are inside the istio-proxy container."""

    mode: TlsMode
    sni: str = ""
    subject_alt_names: tuple[str, ...] = ()
    ca_certificates: str = ""
    credential_name: str = ""
    client_certificate: str = ""
    private_key: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class HostTarget:
    """ExternalName form: the name itself is the target."""

    host: str
    """Lower case A-labels, no final dot."""

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True, slots=True)
class AddressTarget:
    """Endpoints form: addresses, with the host they belong to if that is known."""

    addresses: tuple[str, ...]
    """IPv4 and IPv6 text, canonical, in the order given, no address twice."""
    host: str = ""

    def __str__(self) -> str:
        return self.host or ",".join(self.addresses)


Target = HostTarget | AddressTarget


@dataclass(frozen=True, slots=True)
class Intent:
    """What create was asked for, completed with defaults. Two equal intents are the same wish."""

    namespace: str
    name: str
    target: Target
    ports: tuple[AliasPort, ...]
    tls: TlsSettings
    mesh: bool
    """Write Istio objects too (--mesh auto on a cluster with Istio's API)."""
    export_to: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        return Form.EXTERNAL_NAME if isinstance(self.target, HostTarget) else Form.ENDPOINTS


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias that is there, ours or another's, read from its Service and slices."""

    namespace: str
    name: str
    target: Target
    ports: tuple[AliasPort, ...]
    cluster_ips: tuple[str, ...] = ()
    """Empty for ExternalName and for headless."""
    headless: bool = False
    managed: bool = False
    """Made by kubectl extsvc (label app.kubernetes.io/managed-by)."""
    slices: tuple[ObjectRef, ...] = ()
    external_name_raw: str = ""
    """spec.externalName as stored: may have a final dot, which Istio does not forgive."""
    created_at: str = ""
    """creationTimestamp of the Service, RFC 3339."""
    uid: str = ""

    @property
    def form(self) -> Form:
        return Form.EXTERNAL_NAME if isinstance(self.target, HostTarget) else Form.ENDPOINTS

    @property
    def host(self) -> str:
        """The outside name that the target has, or "" if only addresses are known."""
        return self.target.host

    @property
    def service(self) -> ObjectRef:
        return ObjectRef("Service", self.namespace, self.name)

    def fqdn(self, cluster_domain: str = "cluster.local") -> str:
        return f"{self.name}.{self.namespace}.svc.{cluster_domain}"
