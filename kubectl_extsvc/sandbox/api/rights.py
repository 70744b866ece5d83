"""Who may do what, and the server's answers about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.refusals import Refused

USER = "sandbox-admin"


@dataclass(frozen=True, slots=True)
class Rule:
    """As of a Role; "*" stands for every one."""

    verbs: tuple[str, ...] = ("*",)
    groups: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)
    """services, pods/exec."""
    namespaces: tuple[str, ...] = ("*",)
    names: tuple[str, ...] = ()
    """Empty: all."""

    def covers(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        asked = ((self.verbs, verb), (self.groups, group), (self.resources, resource), (self.namespaces, namespace))
        return all("*" in known or one in known for known, one in asked) and (not self.names or name in self.names)


class Rights:
    """What is allowed and not denied. Both can be replaced at any time; at first everything is allowed."""

    def __init__(self, allowed: Sequence[Rule] = (Rule(),), denied: Sequence[Rule] = ()) -> None:
        self.allowed = tuple(allowed)
        self.denied = tuple(denied)

    def allows(self, verb: str, group: str, resource: str, subresource: str, namespace: str, name: str) -> bool:
        full = f"{resource}/{subresource}" if subresource else resource
        asked = (verb, group, full, namespace, name)
        return any(rule.covers(*asked) for rule in self.allowed) and not any(
            rule.covers(*asked) for rule in self.denied
        )


def forbidden(verb: str, group: str, resource: str, subresource: str, namespace: str, name: str) -> str:
    """The server's message (apiserver pkg/endpoints/handlers/responsewriters/errors.go, ForbiddenStatusError)."""
    qualified = f"{resource}.{group}" if group else resource
    subject = f'{qualified} "{name}"' if name else qualified
    full = f"{resource}/{subresource}" if subresource else resource
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return f'{subject} is forbidden: User "{USER}" cannot {verb} resource "{full}" in API group "{group}" {where}'


def access_review(rights: Rights, review: Json) -> Json:
    """A SelfSubjectAccessReview with its status. Raises Refused if it asks for nothing."""
    spec = review.get("spec") or {}
    if asked := spec.get("resourceAttributes"):
        keys = ("verb", "group", "resource", "subresource", "namespace", "name")
        return review | {"status": {"allowed": rights.allows(*(str(asked.get(key, "")) for key in keys))}}
    if spec.get("nonResourceAttributes"):
        return review | {"status": {"allowed": True}}
    why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    details = {"group": "authorization.k8s.io", "kind": "SelfSubjectAccessReview"}
    raise Refused(422, "Invalid", why, details)
