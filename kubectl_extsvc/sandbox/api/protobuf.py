"""Objects in Kubernetes' protobuf: kubectl sends them for `create KIND` and `auth` (since 1.34), and takes JSON back.

Only the fields that those commands set (k8s.io/api and apimachinery, */generated.proto of 1.34).
"""

import base64
from collections.abc import Iterator
from typing import Any

from kubectl_extsvc.model.resources import Json

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_LENGTH_DELIMITED, _VARINT = 2, 0

_MESSAGES = {
    "Unknown": "1 typeMeta:TypeMeta, 2 raw:bytes",
    "TypeMeta": "1 apiVersion, 2 kind",
    "ObjectMeta": "1 name, 2 generateName, 3 namespace, 11 labels:map, 12 annotations:map",
    "IntOrString": "1 type:int, 2 intVal:int, 3 strVal",
    "Namespace": "1 metadata:ObjectMeta",
    "Service": "1 metadata:ObjectMeta, 2 spec:ServiceSpec",
    "ServiceSpec": "1 ports:ServicePort*, 2 selector:map, 3 clusterIP, 4 type, 10 externalName",
    "ServicePort": "1 name, 2 protocol, 3 port:int, 4 targetPort:IntOrString, 5 nodePort:int",
    "ConfigMap": "1 metadata:ObjectMeta, 2 data:map, 3 binaryData:bytes_map",
    "Secret": "1 metadata:ObjectMeta, 2 data:bytes_map, 3 type",
    "ServiceAccount": "1 metadata:ObjectMeta",
    "Deployment": "1 metadata:ObjectMeta, 2 spec:DeploymentSpec",
    "DeploymentSpec": "1 replicas:pointer, 2 selector:LabelSelector, 3 template:PodTemplateSpec",
    "LabelSelector": "1 matchLabels:map",
    "PodTemplateSpec": "1 metadata:ObjectMeta, 2 spec:PodSpec",
    "PodSpec": "2 containers:Container*",
    "Container": "1 name, 2 image, 3 command:string*, 4 args:string*, 6 ports:ContainerPort*",
    "ContainerPort": "3 containerPort:int, 4 protocol",
    "SelfSubjectAccessReview": "1 metadata:ObjectMeta, 2 spec:SelfSubjectAccessReviewSpec",
    "SelfSubjectAccessReviewSpec": (
        "1 resourceAttributes:ResourceAttributes, 2 nonResourceAttributes:NonResourceAttributes"
    ),
    "ResourceAttributes": "1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name",
    "NonResourceAttributes": "1 path, 2 verb",
}
"""Number, name and type of the fields of each message; the type is string if none is named, * is a list.

A number that a pointer leads to is kept when it is 0; other zero values are as good as absent.
"""


def decoded(data: bytes) -> Json:
    """The object. Raises ValueError if it is none, or has fields that are not known here."""
    if not data.startswith(_MAGIC):
        raise ValueError("no protobuf of Kubernetes")
    envelope = _message("Unknown", data[len(_MAGIC) :])
    kind = envelope.get("typeMeta", {}).get("kind", "")
    return {**envelope["typeMeta"], **_message(kind, envelope.get("raw", b""))}


def _message(name: str, data: bytes) -> Json:
    if name not in _MESSAGES:
        raise ValueError(f"kind {name} is not known")
    known = {int(number): field for number, field in (text.split(" ") for text in _MESSAGES[name].split(", "))}
    found: Json = {}
    for number, raw in _fields(data):
        if number not in known:
            if _is_zero(raw):
                continue
            raise ValueError(f"field {number} of {name} is not known")
        field, _, type_ = known[number].partition(":")
        value = _value(type_.rstrip("*"), raw)
        if type_.endswith("*"):
            found.setdefault(field, []).append(value)
        elif isinstance(value, dict) and type_.endswith("map"):
            found.setdefault(field, {}).update(value)
        elif value or type_ == "pointer":
            found[field] = value
    return found


def _value(type_: str, raw: int | bytes) -> Any:
    match type_, raw:
        case "int" | "pointer", int():
            return raw
        case "" | "string", bytes():
            return raw.decode()
        case "bytes", bytes():
            return raw
        case "map" | "bytes_map", bytes():
            entry = dict(_fields(raw))
            key, value = bytes(entry.get(1, b"")), bytes(entry.get(2, b""))
            return {key.decode(): value.decode() if type_ == "map" else base64.b64encode(value).decode()}
        case "IntOrString", bytes():
            parts = _message(type_, raw)
            return parts.get("strVal", "") if parts.get("type") else parts.get("intVal", 0)
        case _, bytes():
            return _message(type_, raw)
        case _:
            raise ValueError(f"{raw} is no {type_}")


def _is_zero(raw: int | bytes) -> bool:
    """Nothing, also as a message whose fields are all nothing: Go writes them out."""
    if isinstance(raw, int):
        return raw == 0
    try:
        return all(_is_zero(part) for _, part in _fields(raw))
    except ValueError:
        return False


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        value, position = _varint(data, position)
        if wire_type == _VARINT:
            yield number, value
        elif wire_type == _LENGTH_DELIMITED and position + value <= len(data):
            yield number, data[position : position + value]
            position += value
        else:
            raise ValueError("cut off, or of an unknown wire type")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("cut off within a number")
