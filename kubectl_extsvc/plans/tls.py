"""Who encrypts: the TLS settings that an alias gets from what was asked for and from what the mesh can do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from kubectl_extsvc.errors import Refused, UsageError
from kubectl_extsvc.model.alias import AliasPort, HostTarget, Target, TlsMode, TlsSettings
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.naming import Warnings, external_host, is_in_cluster, quoted

SYSTEM_CA = "system"
# istio #33472, in master after the 1.11 branch was cut: the proxy's agent knows file-root:system.
SYSTEM_CA_SINCE = (1, 12)
# pilot/pkg/model/credentials/resource.go and BackendTLSPolicy (istio #55545). An older release takes such a name for
# that of a Secret, and then sends plaintext.
CONFIG_MAP_CREDENTIALS_SINCE = (1, 26)

_CONFIG_MAP = re.compile(r"configmap://[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*", re.ASCII)

_NOT_CHANGED = "nothing was changed"


@dataclass(frozen=True, slots=True)
class TlsWishes:
    """What was asked for, as typed. Empty = not given."""

    mode: str = "auto"
    sni: str = ""
    subject_alt_names: tuple[str, ...] = ()
    ca_certificates: str = ""
    credential_name: str = ""
    client_certificate: str = ""
    private_key: str = ""

    def flags_given(self) -> list[str]:
        """The options beside the mode that were given, as they are spelled."""
        given = [field.name for field in fields(self) if field.name != "mode" and getattr(self, field.name)]
        return ["--tls-" + name.replace("_", "-") for name in given]


def parse_tls_mode(text: str) -> TlsMode | None:
    """The mode, None for auto; any case. Raises UsageError, and Refused for ISTIO_MUTUAL."""
    word = text.strip().upper().replace("-", "_")
    if word == "AUTO":
        return None
    if word == TlsMode.ISTIO_MUTUAL:
        raise Refused(
            "--tls-mode: ISTIO_MUTUAL shows the mesh's own certificate and wants one of the mesh in return, which no "
            f"server outside has; {_NOT_CHANGED}. Use SIMPLE, or MUTUAL with a certificate that the server knows."
        )
    if word in TlsMode.__members__:
        return TlsMode(word)
    raise UsageError(f"--tls-mode: {quoted(text)} is none of auto, DISABLE, SIMPLE, MUTUAL")


def resolve_tls(
    wishes: TlsWishes,
    target: Target,
    ports: Sequence[AliasPort],
    mesh: Mesh,
    *,
    use_mesh: bool,
    cluster_domain: str = "cluster.local",
) -> tuple[TlsSettings, Warnings]:
    """The settings in effect, and what to warn of.

    use_mesh is False for --mesh none. A wish for TLS is fulfilled or refused, never dropped: raises Refused where
    nobody could originate TLS, UsageError where options do not fit together.
    """
    asked = parse_tls_mode(wishes.mode)
    mode = _mode_of(ports) if asked is None else asked
    if mode is TlsMode.DISABLE:
        given = wishes.flags_given()
        if given:
            raise UsageError(f"{given[0]} says how the sidecar adds TLS, and here it adds none: use --tls-mode SIMPLE")
        return TlsSettings(TlsMode.DISABLE), _plain_http_to_tls(ports)
    _refuse_without_originator(mode, target, ports, mesh, use_mesh, cluster_domain)
    _refuse_credentials(wishes, mode, mesh)
    sni, warnings = _sni(wishes, target, cluster_domain)
    ca_certificates, doubts = _ca_certificates(wishes, mesh)
    return (
        TlsSettings(
            mode=mode,
            sni=sni,
            # With sni and no subjectAltNames Envoy checks the chain and no name
            # (pilot/pkg/networking/core/cluster_tls.go, setAutoSniAndAutoSanValidation).
            subject_alt_names=_subject_alt_names(wishes, sni),
            ca_certificates=ca_certificates,
            credential_name=wishes.credential_name,
            client_certificate=wishes.client_certificate,
            private_key=wishes.private_key,
        ),
        (*warnings, *doubts),
    )


def originating_ports(tls: TlsSettings, ports: Sequence[AliasPort]) -> tuple[AliasPort, ...]:
    """Ports whose traffic the sidecar encrypts: all on which the client does not speak TLS itself."""
    if tls.mode is TlsMode.DISABLE:
        return ()
    return tuple(port for port in ports if not port.protocol.is_tls)


def _mode_of(ports: Sequence[AliasPort]) -> TlsMode:
    """auto: DISABLE, unless plain HTTP is to reach a TLS port."""
    originating = [port for port in ports if port.originates]
    if not originating:
        return TlsMode.DISABLE
    plain = next((port for port in ports if not port.originates and not port.protocol.is_tls), None)
    if plain:
        raise UsageError(
            f"port {originating[0]} wants TLS from the sidecar and port {plain} does not: "
            "make two aliases, or say which with --tls-mode"
        )
    return TlsMode.SIMPLE


def _refuse_without_originator(
    mode: TlsMode, target: Target, ports: Sequence[AliasPort], mesh: Mesh, use_mesh: bool, cluster_domain: str
) -> None:
    """Refuse where the request would leave in clear, or encrypted twice."""
    originating = [port for port in ports if not port.protocol.is_tls]
    if not originating:
        raise Refused(
            f"clients speak TLS themselves to port {ports[0]}, and --tls-mode {mode} would encrypt it once "
            f"more; {_NOT_CHANGED}. Use --tls-mode DISABLE, or --port http:80:443 for clients that speak plain HTTP."
        )
    wish = f"port {originating[0]} needs a sidecar that adds TLS ({mode})"
    if not use_mesh:
        raise Refused(
            f"{wish}, and with --mesh none there is no rule that tells it to; {_NOT_CHANGED}. "
            "Use --mesh auto, or --port tls:443 and clients that speak TLS themselves."
        )
    if not mesh.installed:
        raise Refused(
            f"{wish}, and the cluster does not serve networking.istio.io; {_NOT_CHANGED}. "
            "Use --port tls:443 and clients that speak TLS themselves."
        )
    if not isinstance(target, HostTarget):
        return
    if not mesh.alias_mode:
        raise Refused(
            f"{wish}, which needs Istio 1.21 or later for an ExternalName Service; {_NOT_CHANGED}. "
            f"Use --host {target.host} --lookup."
        )
    if is_in_cluster(target.host, cluster_domain):
        raise Refused(
            f"{target.host} is a Service of the cluster, to which sidecars speak mutual TLS as it is; {_NOT_CHANGED}. "
            "Use --tls-mode DISABLE."
        )
    for port in originating:
        if not port.protocol.is_http:
            # A TCP ServiceEntry without addresses would take the port for the whole mesh (istio #29992, #48739).
            raise Refused(
                f"port {port} is not HTTP, and behind an ExternalName Service a sidecar tells only HTTP "
                f"apart: it would leave in clear; {_NOT_CHANGED}. Use --host {target.host} --lookup."
            )


def _refuse_credentials(wishes: TlsWishes, mode: TlsMode, mesh: Mesh) -> None:
    """What Istio's validation refuses (pkg/config/validation, validateTLS), and what would end as plaintext."""
    files = (wishes.client_certificate, wishes.private_key)
    if wishes.credential_name and (any(files) or wishes.ca_certificates):
        raise UsageError("--tls-credential-name and certificate files exclude each other")
    if mode is TlsMode.SIMPLE and any(files):
        raise UsageError("a client certificate needs --tls-mode MUTUAL")
    if mode is TlsMode.MUTUAL and not wishes.credential_name and not all(files):
        raise UsageError("--tls-mode MUTUAL needs --tls-client-certificate and --tls-private-key")
    for path in files:
        _check_path(path)
    name = wishes.credential_name
    if not name:
        return
    if not name.startswith("configmap://"):
        # pilot/pkg/networking/core/cluster_tls.go: without workloadSelector a sidecar gets no TLS context at all.
        raise Refused(
            f"--tls-credential-name {quoted(name)}: sidecars read it only from a DestinationRule with a "
            f"workloadSelector, and without one send plaintext; {_NOT_CHANGED}. Use configmap://NAMESPACE/NAME for a "
            "CA, or files that are mounted into istio-proxy."
        )
    if not _CONFIG_MAP.fullmatch(name):
        raise UsageError(f"--tls-credential-name: {quoted(name)} is not configmap://NAMESPACE/NAME")
    if mode is TlsMode.MUTUAL:
        raise UsageError(
            "--tls-credential-name: a ConfigMap holds a CA and no client certificate; for MUTUAL use "
            "--tls-client-certificate and --tls-private-key"
        )
    if mesh.version is None or mesh.version < CONFIG_MAP_CREDENTIALS_SINCE:
        raise Refused(
            f"--tls-credential-name {quoted(name)}: only Istio 1.26 or later is known to read a ConfigMap, an older "
            f"one sends plaintext; {_NOT_CHANGED}. Use --tls-ca-certificates with a file inside istio-proxy."
        )


def _sni(wishes: TlsWishes, target: Target, cluster_domain: str) -> tuple[str, Warnings]:
    if wishes.sni:
        return external_host(wishes.sni, flag="--tls-sni", cluster_domain=cluster_domain)
    if target.host:
        return target.host, ()
    raise UsageError("the addresses belong to no host that the sidecar could ask for by SNI: use --host or --tls-sni")


def _subject_alt_names(wishes: TlsWishes, sni: str) -> tuple[str, ...]:
    for name in wishes.subject_alt_names:
        if not name or not name.isprintable() or any(char in name for char in ", "):
            raise UsageError(f"--tls-subject-alt-names: {quoted(name)} is no name of a certificate")
    return tuple(dict.fromkeys(wishes.subject_alt_names)) or (sni,)


def _ca_certificates(wishes: TlsWishes, mesh: Mesh) -> tuple[str, Warnings]:
    """The CA file, or "system" where the release knows it.

    Before 1.21 an empty caCertificates means that nothing is verified, so the word is more than a default.
    """
    if wishes.credential_name:
        return "", ()
    if wishes.ca_certificates and wishes.ca_certificates != SYSTEM_CA:
        _check_path(wishes.ca_certificates)
        return wishes.ca_certificates, ()
    if mesh.version is None or mesh.version >= SYSTEM_CA_SINCE:
        return SYSTEM_CA, ()
    version = ".".join(map(str, mesh.version))
    return "", (f"Istio {version} verifies no certificate without a CA file: use --tls-ca-certificates",)


def _check_path(path: str) -> None:
    if path and (not path.startswith("/") or not path.isprintable()):
        raise UsageError(f"{quoted(path)} is not an absolute path inside the istio-proxy container")


def _plain_http_to_tls(ports: Sequence[AliasPort]) -> Warnings:
    return tuple(
        f"port {port} sends plain HTTP to a TLS port, since --tls-mode DISABLE adds no TLS: most servers answer 400"
        for port in ports
        if port.originates
    )
