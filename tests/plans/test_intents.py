"""A wish survives in the Service's annotations."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, TlsMode, TlsSettings
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.alias_objects import objects_of
from kubectl_extsvc.plans.intents import intent_of
from kubectl_extsvc.plans.ports import parse_ports

labels = st.from_regex(r"\A[a-z]([-a-z0-9]{0,10}[a-z0-9])?\Z")
hosts = st.lists(labels, min_size=2, max_size=4).map(".".join)
addresses = st.ip_addresses().map(str)
words = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters=","), min_size=1, max_size=20)
targets = hosts.map(HostTarget) | st.builds(
    AddressTarget, st.lists(addresses, min_size=1, max_size=4, unique=True).map(tuple), hosts | st.just("")
)
numbers = st.integers(1, 65535)
ports = st.lists(
    st.tuples(labels.filter(lambda name: not name.startswith("udp")), numbers, numbers),
    min_size=1,
    max_size=4,
    unique_by=(lambda port: port[0], lambda port: port[1]),
).map(lambda parts: parse_ports([":".join(map(str, part)) for part in parts]))
optional = words | st.just("")
settings = st.builds(
    TlsSettings,
    st.sampled_from([TlsMode.DISABLE, TlsMode.SIMPLE, TlsMode.MUTUAL]),
    hosts | st.just(""),
    st.lists(words, max_size=3).map(tuple),
    optional,
    optional,
    optional,
    optional,
)
intents = st.builds(
    Intent, labels, labels, targets, ports, settings, st.booleans(), st.lists(labels, max_size=2).map(tuple)
)
meshes = st.sampled_from(
    [
        Mesh(installed=True, api_version="v1", version=(1, 31)),
        Mesh(installed=True, api_version="v1beta1", version=(1, 20)),
    ]
)


@hypothesis_settings(deadline=None)
@given(intents, meshes)
def test_the_service_of_an_intent_gives_the_intent_back(intent: Intent, mesh: Mesh) -> None:
    service = objects_of(intent, mesh)[0].obj
    assert intent_of(service) == intent


@hypothesis_settings(deadline=None)
@given(intents, meshes)
def test_every_object_of_every_intent_is_marked_and_lies_in_order(intent: Intent, mesh: Mesh) -> None:
    objects = [planned.obj for planned in objects_of(intent, mesh)]
    kinds = [obj["kind"] for obj in objects]
    order = ["Service", "ServiceEntry", "DestinationRule", "VirtualService", "EndpointSlice"]
    assert kinds == sorted(kinds, key=order.index)
    assert kinds.count("Service") == 1
    assert len({(obj["kind"], obj["metadata"]["name"]) for obj in objects}) == len(objects)
    for obj in objects:
        assert obj["metadata"]["namespace"] == intent.namespace
        assert obj["metadata"]["labels"]["extsvc.dev/alias"] == intent.name
        assert "ownerReferences" not in obj["metadata"]


@pytest.fixture
def service(intent_for: Callable[..., Intent], istio: Mesh) -> Json:
    return objects_of(intent_for(AddressTarget(("203.0.113.20",)), "tls:443"), istio)[0].obj


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        {},
        {"extsvc.dev/addresses": ""},
        {"extsvc.dev/ports": ""},
        {"extsvc.dev/ports": "nonsense"},
        {"extsvc.dev/tls-mode": "STRICT"},
        {"extsvc.dev/mesh": ""},
    ],
)
def test_broken_annotations_are_no_intent(service: Json, annotations: dict[str, str] | None) -> None:
    changed = service["metadata"]["annotations"] | annotations if annotations else annotations
    broken = service | {"metadata": service["metadata"] | {"annotations": changed}}
    assert intent_of(service) is not None
    assert intent_of(broken) is None


@pytest.mark.parametrize("foreign", [None, {"app.kubernetes.io/managed-by": "Helm"}, {"extsvc.dev/alias": "other"}])
def test_a_service_of_others_has_no_intent(service: Json, foreign: dict[str, str] | None) -> None:
    changed = service["metadata"]["labels"] | foreign if foreign else None
    assert intent_of(service | {"metadata": service["metadata"] | {"labels": changed}}) is None
