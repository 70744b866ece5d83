"""Requests and answers: paths, pages, content types, and what reaches the writes."""

from typing import Any

import pytest
from sandbox.api_server import STATUS, Api, api_server, pod, stored

from kubectl_extsvc.sandbox.api.answers import wants_table
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.rights import Rule
from kubectl_extsvc.sandbox.api.targets import Target, target_of
from kubectl_extsvc.sandbox.api.writes import WriteOptions

SERVICES = "/api/v1/namespaces/default/services"
RULES = "/apis/networking.istio.io/v1alpha3/namespaces/default/destinationrules"
RULE_KIND = "destinationrules.networking.istio.io"


def fill(api: Api, *names: str) -> None:
    for name in names:
        api.store.put("services", stored("services", "default", name))


@pytest.mark.parametrize(
    ("path", "resource", "rest"),
    [
        ("/api/v1/services", "services", ("v1",)),
        (SERVICES, "services", ("v1", "default")),
        (f"{SERVICES}/a", "services", ("v1", "default", "a")),
        ("/api/v1/namespaces", "namespaces", ("v1",)),
        ("/api/v1/namespaces/shop", "namespaces", ("v1", "shop", "shop")),
        ("/api/v1/namespaces/shop/pods/a/log", "pods", ("v1", "shop", "a", "log")),
        (RULES, RULE_KIND, ("v1alpha3", "default")),
    ],
)
def test_what_a_path_means(path: str, resource: str, rest: tuple[str, ...]) -> None:
    assert target_of(path) == Target(BY_RESOURCE[resource], *rest)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v2/services",
        "/api/v1/services/a",
        f"{SERVICES}/a/exec",
        f"{SERVICES}/a/status",
        "/api/v1/namespaces/shop/finalize",
        "/api/v1/namespaces/shop/nodes",
        "/api/v1/namespaces/shop/pods/a/log/x",
        "/apis/networking.istio.io/v2/destinationrules",
        "/version",
    ],
)
def test_a_path_of_nothing_that_is_served(path: str) -> None:
    assert target_of(path) is None


@pytest.mark.parametrize(
    ("accept", "table"),
    [
        ("", False),
        ("*/*", False),
        ("application/vnd.kubernetes.protobuf,application/json", False),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", True),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", False),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json", False),
    ],
)
def test_how_a_client_wants_its_objects(accept: str, table: bool) -> None:
    assert wants_table(accept) is table


async def test_an_object_is_given_at_the_version_of_its_path() -> None:
    async with api_server() as api:
        kept = api.store.put(RULE_KIND, stored(RULE_KIND, "default", "a", spec={"host": "a"}))
        assert await api.ask(f"{RULES}/a") == (200, kept | {"apiVersion": "networking.istio.io/v1alpha3"})


async def test_an_object_that_is_not_there_is_not_found() -> None:
    async with api_server() as api:
        details = {"name": "a", "group": "networking.istio.io", "kind": "destinationrules"}
        status = {"message": f'{RULE_KIND} "a" not found', "reason": "NotFound", "details": details, "code": 404}
        assert await api.ask(f"{RULES}/a") == (404, STATUS | status)


async def test_items_of_a_built_in_kind_come_without_kind_and_those_of_a_custom_one_with_it() -> None:
    async with api_server() as api:
        fill(api, "a")
        rule = api.store.put(RULE_KIND, stored(RULE_KIND, "default", "a", spec={}))
        (service,) = api.store.items("services")
        metadata = {"resourceVersion": "3"}
        listed = {"kind": "ServiceList", "apiVersion": "v1", "metadata": metadata}
        assert await api.ask(SERVICES) == (200, listed | {"items": [{"metadata": service["metadata"]}]})
        version = "networking.istio.io/v1alpha3"
        listed = {"kind": "DestinationRuleList", "apiVersion": version, "metadata": metadata}
        assert await api.ask(RULES) == (200, listed | {"items": [rule | {"apiVersion": version}]})


async def test_a_long_list_comes_in_pages_of_one_revision() -> None:
    async with api_server() as api:
        fill(api, "a", "b", "c")
        _, first = await api.ask(f"{SERVICES}?limit=2")
        assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
        assert (first["metadata"]["remainingItemCount"], first["metadata"]["resourceVersion"]) == (1, "4")
        fill(api, "z")
        _, second = await api.ask(f"{SERVICES}?limit=2&continue={first['metadata']['continue']}")
        assert [item["metadata"]["name"] for item in second["items"]] == ["c", "z"]
        assert second["metadata"] == {"resourceVersion": "4"}


async def test_a_page_of_a_forgotten_revision_is_gone() -> None:
    async with api_server() as api:
        fill(api, "a", "b")
        _, first = await api.ask(f"{SERVICES}?limit=1")
        fill(api, "c")
        api.store.forget()
        code, status = await api.ask(f"{SERVICES}?limit=1&continue={first['metadata']['continue']}")
        assert (code, status["reason"]) == (410, "Expired")


async def test_a_list_of_a_selection_does_not_count_what_remains() -> None:
    async with api_server() as api:
        api.store.put("services", stored("services", "default", "a", {"x": "1"}))
        api.store.put("services", stored("services", "default", "b", {"x": "1"}))
        fill(api, "c")
        _, listed = await api.ask(f"{SERVICES}?labelSelector=x%3D1&limit=1")
        assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
        assert set(listed["metadata"]) == {"resourceVersion", "continue"}


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("continue=abc", 400, "continue key is not valid"),
        ("fieldSelector=spec.foo%3DX", 400, "field label not supported: spec.foo"),
    ],
)
async def test_a_question_that_cannot_be_answered(query: str, code: int, message: str) -> None:
    async with api_server() as api:
        answered, status = await api.ask(f"{SERVICES}?{query}")
        assert (answered, status["message"]) == (code, message)


async def test_a_table_is_made_for_who_asks() -> None:
    async with api_server() as api:
        api.store.put("configmaps", stored("configmaps", "default", "a", data={"x": "1"}))
        path = "/api/v1/namespaces/default/configmaps"
        table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        for asked in (path, f"{path}/a"):
            _, told = await api.ask(f"{asked}?includeObject=None", headers=table)
            assert (told["kind"], told["rows"]) == ("Table", [{"cells": ["a", 1, "<unknown>"]}])


async def test_whoever_asks_for_endpoints_is_warned() -> None:
    async with api_server() as api:
        for query in ("", "?watch=1&timeoutSeconds=1"):
            async with api.session.get(f"{api.url}/api/v1/endpoints{query}") as response:
                warning = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
                assert response.headers["Warning"] == warning


async def test_a_log_can_be_cut() -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        told = []
        for query in ("", "?tailLines=2", "?tailLines=0", "?limitBytes=5"):
            async with api.session.get(f"{api.url}/api/v1/namespaces/default/pods/curl/log{query}") as response:
                assert response.content_type == "text/plain"
                told.append(await response.text())
        assert told == ["one\ntwo\nthree\n", "two\nthree\n", "", "one\nt"]


async def test_what_a_write_wants_is_read_from_its_query() -> None:
    async with api_server() as api:
        rule = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "DestinationRule", "metadata": {"name": "a"}}
        kept = rule | {"apiVersion": "networking.istio.io/v1"}
        query = "dryRun=All&fieldManager=me&fieldValidation=Strict"
        assert await api.ask(f"{RULES}?{query}", "POST", json=rule) == (201, rule)
        assert await api.ask(f"{RULES}/a", "PUT", json=rule, headers={"User-Agent": "kubectl/v1.34"}) == (200, rule)
        assert api.writes.asked == [
            ("create", RULE_KIND, "default", kept, WriteOptions(True, "me", False, "Strict")),
            ("replace", RULE_KIND, "default", "a", kept, WriteOptions(False, "kubectl", False, "")),
        ]


async def test_a_namespace_is_written_in_no_namespace() -> None:
    async with api_server() as api:
        await api.ask("/api/v1/namespaces/shop", "PUT", json={}, headers={"User-Agent": ""})
        body = {"apiVersion": "v1", "kind": "Namespace"}
        assert api.writes.asked == [("replace", "namespaces", "", "shop", body, WriteOptions())]


async def test_a_patch_goes_on_as_it_came_and_an_apply_must_name_its_manager() -> None:
    async with api_server() as api:
        for content_type, code in (("application/merge-patch+json", 200), ("application/apply-patch+yaml", 201)):
            headers = {"Content-Type": content_type, "User-Agent": "me/1"}
            answered, told = await api.ask(f"{RULES}/a?force=true", "PATCH", data=b"{a: 1}", headers=headers)
            assert (answered, told["apiVersion"]) == (code, "networking.istio.io/v1alpha3")
        merge, apply = (asked[4:] for asked in api.writes.asked)
        assert merge == ("application/merge-patch+json", b"{a: 1}", WriteOptions(force=True, field_manager="me"))
        assert apply == ("application/apply-patch+yaml", b"{a: 1}", WriteOptions(force=True))


async def test_ephemeral_containers_are_read_and_patched_by_a_resource_of_their_own() -> None:
    path = "/api/v1/namespaces/default/pods/curl/ephemeralcontainers"
    async with api_server() as api:
        api.store.put("pods", pod())
        headers = {"Content-Type": "application/strategic-merge-patch+json", "User-Agent": "me/1"}
        assert (await api.ask(path))[1]["metadata"]["name"] == "curl"
        assert (await api.ask(path, "PATCH", data=b"{}", headers=headers))[0] == 200
        (asked,) = api.writes.asked
        assert asked[-1] == WriteOptions(field_manager="me", subresource="ephemeralcontainers")
        api.rights.denied = (Rule(verbs=("patch",), resources=("pods/ephemeralcontainers",)),)
        code, told = await api.ask(path, "PATCH", data=b"{}", headers=headers)
        assert (code, 'cannot patch resource "pods/ephemeralcontainers"' in told["message"]) == (403, True)


async def test_a_custom_kind_has_no_strategic_merge_patch() -> None:
    async with api_server() as api:
        headers = {"Content-Type": "application/strategic-merge-patch+json", "User-Agent": ""}
        code, status = await api.ask(f"{RULES}/a", "PATCH", data=b"{}", headers=headers)
        assert (code, status["reason"]) == (415, "UnsupportedMediaType")
        assert (await api.ask(f"{SERVICES}/a", "PATCH", data=b"{}", headers=headers))[0] == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule"},
            "the API version in the data (networking.istio.io/v1) does not match the expected API version "
            "(networking.istio.io/v1alpha3)",
        ),
        ({"kind": "Gateway"}, 'Gateway in version "v1alpha3" cannot be handled as a DestinationRule'),
        (
            {"metadata": {"namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            [],
            "the object provided is unrecognized (must be of type DestinationRule): couldn't get version/kind; "
            "it is no object",
        ),
    ],
)
async def test_a_body_that_does_not_belong_to_its_path_is_refused(body: Any, message: str) -> None:
    async with api_server() as api:
        status = STATUS | {"message": message, "reason": "BadRequest", "code": 400}
        assert await api.ask(RULES, "POST", json=body) == (400, status)
        assert api.writes.asked == []


async def test_a_body_may_be_yaml_and_nothing_unknown() -> None:
    async with api_server() as api:
        yaml = {"Content-Type": "application/yaml"}
        assert (await api.ask(RULES, "POST", data=b"metadata: {name: a}", headers=yaml))[0] == 201
        assert (await api.ask(RULES, "POST", data=b"a: [", headers=yaml))[0] == 400
        assert (await api.ask(RULES, "POST", data=b"{}", headers={"Content-Type": "text/foo"}))[0] == 415


async def test_options_of_a_delete_come_in_body_or_query() -> None:
    async with api_server() as api:
        api.session.headers["User-Agent"] = ""
        body = {"kind": "DeleteOptions", "preconditions": {"uid": "u"}, "dryRun": ["All"]}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        assert await api.ask(f"{SERVICES}/a", "DELETE", json=body) == (200, success)
        assert (await api.ask(f"{SERVICES}/a?propagationPolicy=Orphan", "DELETE"))[0] == 200
        assert api.writes.asked == [
            ("delete", "services", "default", "a", body, WriteOptions(dry_run=True)),
            ("delete", "services", "default", "a", {"propagationPolicy": "Orphan"}, WriteOptions()),
        ]


async def test_a_collection_is_deleted_by_its_selection() -> None:
    async with api_server() as api:
        api.store.put("services", stored("services", "default", "a", {"x": "1"}))
        fill(api, "b")
        code, told = await api.ask(f"{SERVICES}?labelSelector=x%3D1", "DELETE")
        assert (code, told["kind"], [item["metadata"]["name"] for item in told["items"]]) == (200, "ServiceList", ["a"])
        assert [asked[:4] for asked in api.writes.asked] == [("delete", "services", "default", "a")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/services"),
        ("PUT", SERVICES),
        ("PATCH", SERVICES),
        ("POST", f"{SERVICES}/a"),
        ("DELETE", "/api/v1/services"),
        ("DELETE", "/api/v1/namespaces"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
    ],
)
async def test_a_method_that_a_resource_has_not_is_not_allowed(method: str, path: str) -> None:
    async with api_server() as api:
        message = "the server does not allow this method on the requested resource"
        status = STATUS | {"message": message, "reason": "MethodNotAllowed", "code": 405}
        assert await api.ask(path, method) == (405, status)


async def test_who_accepts_nothing_that_we_have_gets_406() -> None:
    async with api_server() as api:
        for accept in ("text/html", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"):
            for query in ("", "?watch=1"):
                assert (await api.ask(SERVICES + query, headers={"Accept": accept}))[0] == 406
