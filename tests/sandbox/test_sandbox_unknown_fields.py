import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.refusals import Refused
from kubectl_extsvc.sandbox.api.unknown_fields import check_declared, without_unknown

SERVICES, PODS = BY_RESOURCE["services"], BY_RESOURCE["pods"]


def service() -> Json:
    ports = [{"port": 80, "name": "http"}, {"port": 81, "nmae": "x"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "annotations": {"any": "thing"}},
        "spec": {"ports": ports, "typo": {"a": 1}, "selector": {"app": "any"}},
    }


def test_a_strict_request_is_refused_with_the_place_of_every_unknown_field() -> None:
    with pytest.raises(Refused) as refused:
        without_unknown(SERVICES, service(), "Strict")
    assert (refused.value.code, refused.value.message) == (
        400,
        'Service in version "v1" cannot be handled as a Service: strict decoding error: '
        'unknown field "spec.ports[1].nmae", unknown field "spec.typo"',
    )


def test_other_requests_lose_them_and_nothing_else() -> None:
    wanted = service()
    del wanted["spec"]["typo"], wanted["spec"]["ports"][1]["nmae"]
    assert without_unknown(SERVICES, service()) == wanted


def test_an_apply_is_refused_in_any_case() -> None:
    with pytest.raises(Refused) as refused:
        check_declared(SERVICES, "default", service())
    assert (refused.value.code, refused.value.message) == (
        500,
        "failed to create typed patch object (default/a; /v1, Kind=Service): .spec.ports[1].nmae: "
        "field not declared in schema",
    )


def test_kinds_that_no_alias_is_made_of_are_not_looked_into() -> None:
    body: Json = {"kind": "Pod", "metadata": {"name": "a"}, "spec": {"typo": 1}}
    assert without_unknown(PODS, body, "Strict") == body
    check_declared(PODS, "default", body)
