"""What Istio takes a port for."""

from kubectl_extsvc.model.alias import AppProtocol

WELL_KNOWN_TCP_PORTS = frozenset((25, 53, 3306, 27017))
"""Never sniffed: SMTP, DNS, MySQL and MongoDB servers speak first (istio pkg/config/kube/conversion.go)."""

HTTPS_PORTS = frozenset((443, 8443))
HTTP_PORTS = frozenset((80, 8000, 8008, 8080, 8888))
"""Numbers at which an unnamed port is taken for what it usually is."""

_KUBERNETES_APP_PROTOCOLS = {
    "kubernetes.io/h2c": AppProtocol.HTTP2,
    "kubernetes.io/ws": AppProtocol.HTTP,
    "kubernetes.io/wss": AppProtocol.HTTPS,
}
_BY_WORD = {protocol.value.lower(): protocol for protocol in AppProtocol if protocol is not AppProtocol.AUTO} | {
    "http_proxy": AppProtocol.HTTP
}


def protocol_of(port_name: str, app_protocol: str | None, number: int, transport: str = "TCP") -> AppProtocol:
    """Protocol of a Service's port: appProtocol beats the name, of which the part before the first "-" counts.

    Source: ConvertProtocol in istio pkg/config/kube/conversion.go.
    """
    if transport == "UDP":
        return AppProtocol.UDP
    if app_protocol in _KUBERNETES_APP_PROTOCOLS:
        return _KUBERNETES_APP_PROTOCOLS[app_protocol]
    name = (port_name if app_protocol is None else app_protocol).lower()
    if name.startswith("grpc-web"):
        return AppProtocol.GRPC_WEB
    protocol = entry_protocol(name.partition("-")[0])
    return AppProtocol.TCP if protocol is AppProtocol.AUTO and number in WELL_KNOWN_TCP_PORTS else protocol


def entry_protocol(word: str) -> AppProtocol:
    """Protocol of a ServiceEntry's port, which says it in its own field (istio pkg/config/protocol/instance.go)."""
    return _BY_WORD.get(word.lower(), AppProtocol.AUTO)
