"""What create was asked for, kept in the Service's annotations: a later run can tell the same wish from another.

What is written here lies in clusters: a changed meaning must keep reading the old one.
"""

from collections.abc import Mapping

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, Target, TlsMode, TlsSettings
from kubectl_extsvc.model.marks import (
    ANNOTATION_PREFIX,
    HOST_ANNOTATION,
    PORTS_ANNOTATION,
    alias_of,
)
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.plans.ports import parse_ports

ADDRESSES = f"{ANNOTATION_PREFIX}addresses"
MESH = f"{ANNOTATION_PREFIX}mesh"
EXPORT_TO = f"{ANNOTATION_PREFIX}export-to"
TLS = f"{ANNOTATION_PREFIX}tls-"


def annotations_of(intent: Intent) -> dict[str, str]:
    """The intent as annotations; what has its default is left out. Lists are joined by commas."""
    tls = intent.tls
    values = {
        PORTS_ANNOTATION: ",".join(map(str, intent.ports)),
        MESH: "auto" if intent.mesh else "none",
        EXPORT_TO: ",".join(intent.export_to),
        TLS + "mode": tls.mode.value,
        TLS + "sni": tls.sni,
        TLS + "subject-alt-names": ",".join(tls.subject_alt_names),
        TLS + "ca-certificates": tls.ca_certificates,
        TLS + "credential-name": tls.credential_name,
        TLS + "client-certificate": tls.client_certificate,
        TLS + "private-key": tls.private_key,
    }
    if isinstance(intent.target, AddressTarget):
        values |= {HOST_ANNOTATION: intent.target.host, ADDRESSES: ",".join(intent.target.addresses)}
    return {key: value for key, value in values.items() if value}


def intent_of(service: Json) -> Intent | None:
    """The intent that a Service of ours was made from; None if it is not ours or somebody broke its annotations."""
    metadata = service["metadata"]
    if alias_of(service) != metadata["name"]:
        return None
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    target = _target(service, annotations)
    try:
        ports = parse_ports(_list(annotations, PORTS_ANNOTATION))
        mode = TlsMode(annotations.get(TLS + "mode", ""))
    except (UsageError, ValueError):
        return None
    if target is None or not ports or annotations.get(MESH) not in ("auto", "none"):
        return None
    return Intent(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        target=target,
        ports=ports,
        tls=TlsSettings(
            mode=mode,
            sni=annotations.get(TLS + "sni", ""),
            subject_alt_names=_list(annotations, TLS + "subject-alt-names"),
            ca_certificates=annotations.get(TLS + "ca-certificates", ""),
            credential_name=annotations.get(TLS + "credential-name", ""),
            client_certificate=annotations.get(TLS + "client-certificate", ""),
            private_key=annotations.get(TLS + "private-key", ""),
        ),
        mesh=annotations[MESH] == "auto",
        export_to=_list(annotations, EXPORT_TO),
    )


def _target(service: Json, annotations: Mapping[str, str]) -> Target | None:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return HostTarget(spec["externalName"]) if spec.get("externalName") else None
    addresses = _list(annotations, ADDRESSES)
    return AddressTarget(addresses, annotations.get(HOST_ANNOTATION, "")) if addresses else None


def _list(annotations: Mapping[str, str], key: str) -> tuple[str, ...]:
    text = annotations.get(key, "")
    return tuple(text.split(",")) if text else ()
