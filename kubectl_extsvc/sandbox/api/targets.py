"""What a request is about: the resource that its path means, and the verb."""

from dataclasses import dataclass

from aiohttp import web

from kubectl_extsvc.sandbox.api import discovery
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.refusals import Refused


@dataclass(frozen=True, slots=True)
class Target:
    """What a path means."""

    kind: ServedKind
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def object_namespace(self) -> str:
        """Under which the store has it; a Namespace is asked for in itself, and is in none."""
        return self.namespace if self.kind.namespaced else ""


def target_of(path: str) -> Target | None:
    """What a path means; None if it is not that of a served resource."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    match rest:
        case ["namespaces", namespace, plural, *more] if len(more) <= 2:
            kind = discovery.find(group, version, plural)
            if kind and kind.namespaced and namespace:
                name, subresource = (*more, "", "")[:2]
                return _checked(Target(kind, version, namespace, name, subresource))
    match rest:
        case [plural, *more] if len(more) <= 2:
            kind = discovery.find(group, version, plural)
            if kind and (not kind.namespaced or not more):
                name, subresource = (*more, "", "")[:2]
                return _checked(Target(kind, version, name if plural == "namespaces" else "", name, subresource))
    return None


def _checked(target: Target) -> Target | None:
    return target if target.subresource in ("", *target.kind.subresources) else None


def verb_of(request: web.Request, target: Target) -> str:
    """As in a Role. Raises Refused if the kind has no such verb."""
    one = bool(target.name)
    across = target.kind.namespaced and not target.namespace
    match request.method:
        case "GET" if one:
            return "get"
        case "GET":
            verb = "watch" if is_true(request.query.get("watch")) else "list"
        case "POST" if target.subresource or not (one or across):
            return "create"
        case "PUT" if one:
            return "update"
        case "PATCH" if one:
            return "patch"
        case "DELETE" if not across:
            verb = "delete" if one else "deletecollection"
        case _:
            raise not_allowed()
    if verb not in target.kind.verbs:
        raise not_allowed()
    return verb


def is_true(value: str | None) -> bool:
    return value in ("true", "1")


def not_allowed() -> Refused:
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
