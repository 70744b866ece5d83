"""What is served, told as the real server tells it."""

import pytest
from sandbox.api_server import STATUS, api_server

from kubectl_extsvc.sandbox.api.discovery import document
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE, KINDS


def test_every_kind_is_known_by_one_key() -> None:
    assert len(BY_RESOURCE) == len(KINDS)
    assert BY_RESOURCE["destinationrules.networking.istio.io"].short_names == ("dr",)


@pytest.mark.parametrize(
    ("resource", "version", "api_version"),
    [
        ("services", "", "v1"),
        ("deployments.apps", "", "apps/v1"),
        ("virtualservices.networking.istio.io", "", "networking.istio.io/v1"),
        ("virtualservices.networking.istio.io", "v1alpha3", "networking.istio.io/v1alpha3"),
    ],
)
def test_a_kind_is_stored_at_its_first_version(resource: str, version: str, api_version: str) -> None:
    assert BY_RESOURCE[resource].api_version(version) == api_version


def test_a_group_tells_its_versions_with_the_preferred_one_first() -> None:
    versions = [{"groupVersion": f"security.istio.io/{version}", "version": version} for version in ("v1", "v1beta1")]
    assert document("/apis/security.istio.io") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "security.istio.io",
        "versions": versions,
        "preferredVersion": versions[0],
    }


def test_a_version_tells_its_resources_and_their_subresources() -> None:
    told = document("/apis/security.istio.io/v1beta1")
    verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
    assert told == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "security.istio.io/v1beta1",
        "resources": [
            {
                "name": "peerauthentications",
                "singularName": "peerauthentication",
                "namespaced": True,
                "kind": "PeerAuthentication",
                "verbs": verbs,
                "shortNames": ["pa"],
                "categories": ["istio-io", "security-istio-io"],
            },
        ],
    }


def test_every_version_has_an_openapi_document_that_knows_field_validation() -> None:
    index = document("/openapi/v3") or {}
    for path, entry in index["paths"].items():
        told = document(entry["serverRelativeURL"]) or {}
        assert told["paths"], path
        for item in told["paths"].values():
            assert "fieldValidation" in [parameter["name"] for parameter in item["patch"]["parameters"]]


async def test_what_is_not_served_is_not_found_in_the_words_of_the_real_server() -> None:
    async with api_server() as api:
        message = "the server could not find the requested resource"
        status = STATUS | {"message": message, "reason": "NotFound", "code": 404}
        assert await api.ask("/api/v1/nopes") == (404, status)
        async with api.session.get(api.url + "/apis/nope.example") as response:
            assert (response.status, await response.text()) == (404, "404 page not found\n")


async def test_who_asks_for_all_in_one_answer_is_told_the_groups() -> None:
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    async with api_server() as api:
        code, told = await api.ask("/apis", headers={"Accept": wanted})
        assert (code, told["kind"], told["groups"][0]["name"]) == (200, "APIGroupList", "apps")
