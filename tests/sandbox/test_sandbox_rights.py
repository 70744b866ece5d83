"""Rights, asked for and enforced."""

from sandbox.api_server import STATUS, api_server

from kubectl_extsvc.sandbox.api.rights import USER, Rights, Rule

REVIEWS = "/apis/authorization.k8s.io/v1"


def test_everything_is_allowed_at_first() -> None:
    assert Rights().allows("create", "", "pods", "exec", "default", "curl")


def test_a_rule_covers_what_it_names_and_nothing_else() -> None:
    rights = Rights([Rule(("get", "list"), ("",), ("services",), ("shop",))])
    asked = [
        ("get", "", "services", "", "shop", "a"),
        ("delete", "", "services", "", "shop", "a"),
        ("get", "apps", "services", "", "shop", "a"),
        ("get", "", "services", "status", "shop", "a"),
        ("list", "", "services", "", "", ""),
    ]
    assert [rights.allows(*one) for one in asked] == [True, False, False, False, False]


def test_what_is_denied_is_not_allowed_however_much_is_allowed() -> None:
    rights = Rights(denied=[Rule(resources=("pods/exec",), namespaces=("shop",))])
    assert [rights.allows("create", "", "pods", "exec", namespace, "a") for namespace in ("shop", "default")] == [
        False,
        True,
    ]


async def test_an_access_review_is_answered_and_what_it_denies_is_refused() -> None:
    async with api_server() as api:
        api.rights.denied = (Rule(("list",), resources=("services",)),)
        spec = {"resourceAttributes": {"verb": "list", "resource": "services", "namespace": "default"}}
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
        asked = await api.ask(f"{REVIEWS}/selfsubjectaccessreviews", "POST", json=review)
        assert asked == (201, review | {"status": {"allowed": False}})
        refusal = f'services is forbidden: User "{USER}" cannot list resource "services" in API group "" '
        for path, where in (
            ("/api/v1/namespaces/default/services", 'in the namespace "default"'),
            ("/api/v1/services", "at the cluster scope"),
        ):
            status = {"message": refusal + where, "reason": "Forbidden", "details": {"kind": "services"}, "code": 403}
            assert await api.ask(path) == (403, STATUS | status)


async def test_a_refused_subresource_is_named_with_its_resource() -> None:
    async with api_server() as api:
        api.rights.denied = (Rule(resources=("pods/log",)),)
        code, status = await api.ask("/api/v1/namespaces/default/pods/a/log")
        assert (code, status["message"]) == (
            403,
            f'pods "a" is forbidden: User "{USER}" cannot get resource "pods/log" in API group "" '
            'in the namespace "default"',
        )


async def test_a_namespace_is_asked_for_in_itself() -> None:
    async with api_server() as api:
        api.rights.allowed = (Rule(namespaces=("shop",)),)
        assert [(await api.ask(f"/api/v1/namespaces/{name}"))[0] for name in ("shop", "other")] == [404, 403]


async def test_a_review_that_asks_nothing_is_invalid() -> None:
    async with api_server() as api:
        code, status = await api.ask(f"{REVIEWS}/selfsubjectaccessreviews", "POST", json={"spec": {}})
        assert (code, status["reason"]) == (422, "Invalid")


async def test_without_the_token_nothing_is_told() -> None:
    async with api_server() as api:
        unauthorized = STATUS | {"message": "Unauthorized", "reason": "Unauthorized", "code": 401}
        for given in ("", "Bearer wrong", "Basic s3cret", "s3cret"):
            assert await api.ask("/version", headers={"Authorization": given}) == (401, unauthorized)
