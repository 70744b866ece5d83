"""Which virtual host and which of its routes take an HTTP request.

Envoy: source/common/router/config_impl.cc:findVirtualHost, and the comments of RouteMatch, HeaderMatcher and
QueryParameterMatcher in config/route/v3/route_components.proto. A condition that cannot be decided from what is known
of the request is None, neither True nor False.
"""

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qs

from kubectl_extsvc.mesh.by_identity import ByIdentity
from kubectl_extsvc.mesh.envoy_dump import at, mapping, number, objects, text, texts
from kubectl_extsvc.mesh.outbound_request import OutboundRequest
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown

Decided = bool | None

NOT_KNOWN = ("user-agent", "accept", "content-", "x-request-id", "x-forwarded-", "x-envoy-")
"""Beginnings of headers that a client or the proxy sets by itself: absent from OutboundRequest, yet perhaps sent."""

PATH_KINDS = ("prefix", "path", "path_separated_prefix", "safe_regex", "connect_matcher")
MAX_STEPS = 1_000_000
"""Of a regular expression at its worst, by length of the value and number of repetitions."""

UNTOLD = ("dynamic_metadata", "tls_context", "filter_state", "cookies", "grpc")
"""Conditions of RouteMatch on what no OutboundRequest tells."""


def virtual_host_of(route_config: Json, host: str) -> Json | None:
    """Exact domain, then the longest *suffix, then the longest prefix*, then *."""
    host = host.lower()
    if route_config.get("ignore_port_in_host_matching") is True:
        host = re.sub(r":[0-9]+$", "", host)
    # A table has thousands of domains, mostly one of them is it, and each of as many aliases asks for one.
    exact, wildcards = _domains(ByIdentity(route_config))
    if host in exact:
        return exact[host]
    best: tuple[tuple[int, int], Json] | None = None
    for domain, virtual_host in wildcards:
        rank = _domain_rank(domain, host)
        if rank is not None and (best is None or rank > best[0]):
            best = rank, virtual_host
    return best[1] if best else None


@lru_cache(maxsize=32)
def _domains(route_config: ByIdentity[Json]) -> tuple[dict[str, Json], list[tuple[str, Json]]]:
    """Domains without a star, each with the first virtual host that has it, and those with one."""
    exact: dict[str, Json] = {}
    wildcards: list[tuple[str, Json]] = []
    for virtual_host in objects(route_config.value.get("virtual_hosts")):
        for domain in (domain.lower() for domain in texts(virtual_host.get("domains"))):
            if "*" in domain:
                wildcards.append((domain, virtual_host))
            exact.setdefault(domain, virtual_host)
    return exact, wildcards


def _domain_rank(domain: str, host: str) -> tuple[int, int] | None:
    """Kind and length; a wildcard stands for at least one character."""
    if domain == "*":
        return 0, 0
    if domain == host:
        return 3, 0
    if domain.startswith("*") and host.endswith(domain[1:]) and len(host) >= len(domain):
        return 2, len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]) and len(host) >= len(domain):
        return 1, len(domain)
    return None


def http_route_of(virtual_host: Json, request: OutboundRequest) -> Json | RouteUnknown | None:
    """The first route whose conditions hold; None if there is none, which Envoy answers with 404."""
    name = text(virtual_host.get("name"))
    if "matcher" in virtual_host:
        return RouteUnknown(f"virtual host {name} chooses its route by a matcher tree, which is not read here")
    for route in objects(virtual_host.get("routes")):
        holds = _match_holds(mapping(route.get("match")), request)
        if holds:
            return route
        if holds is None:
            said = text(route.get("name"))
            which = f"route {said} of virtual host {name}" if said else f"a route of virtual host {name}"
            return RouteUnknown(f"{which} has conditions that only the proxy can decide")
    return None


def _match_holds(match: Json, request: OutboundRequest) -> Decided:
    conditions: list[Decided] = [_path_holds(match, request)]
    conditions += [_header_holds(header, request) for header in objects(match.get("headers"))]
    conditions += [_parameter_holds(parameter, request) for parameter in objects(match.get("query_parameters"))]
    if runtime := mapping(match.get("runtime_fraction")):
        conditions.append(_always(mapping(runtime.get("default_value"))))
    conditions += [None for key in UNTOLD if match.get(key)]
    return _all(conditions)


def _all(conditions: Iterable[Decided]) -> Decided:
    seen = set(conditions)
    return False if False in seen else None if None in seen else True


def _path_holds(match: Json, request: OutboundRequest) -> Decided:
    path = re.split(r"[?#]", request.path, maxsplit=1)[0]
    kind = next((key for key in PATH_KINDS if key in match), "")
    wanted = text(match.get(kind))
    if match.get("case_sensitive") is False:
        path, wanted = path.lower(), wanted.lower()
    match kind:
        case "prefix":
            return path.startswith(wanted)
        case "path":
            return path == wanted
        case "path_separated_prefix":
            return path == wanted or path.startswith(f"{wanted}/")
        case "safe_regex":
            return _regex_holds(match.get("safe_regex"), path)
        case "connect_matcher":
            return request.method == "CONNECT"
    return None


def _header_holds(condition: Json, request: OutboundRequest) -> Decided:
    name = text(condition.get("name")).lower()
    value = _header(name, request)
    inverted = condition.get("invert_match") is True
    if value is None and name.startswith(NOT_KNOWN):
        return None
    if "present_match" in condition:
        return ((value is not None) == (condition["present_match"] is not False)) != inverted
    if value is None and condition.get("treat_missing_header_as_empty") is not True:
        # Not even an inverted condition holds for a header that is not there.
        return False
    holds = _value_holds(condition, value or "")
    return None if holds is None else holds != inverted


def _header(name: str, request: OutboundRequest) -> str | None:
    pseudo = {
        ":authority": request.host,
        "host": request.host,
        ":path": request.path,
        ":method": request.method,
        ":scheme": "http",
    }
    return pseudo[name] if name in pseudo else dict(request.headers).get(name)


def _value_holds(condition: Json, value: str) -> Decided:
    if "string_match" in condition:
        return _string_holds(mapping(condition["string_match"]), value)
    if "range_match" in condition:
        bounds = mapping(condition["range_match"])
        is_number = re.fullmatch(r"-?[0-9]{1,18}", value) is not None
        return is_number and number(bounds.get("start")) <= int(value) < number(bounds.get("end"))
    # Deprecated since Envoy 1.22, but read by all.
    for old, new in (("exact_match", "exact"), ("prefix_match", "prefix"), ("suffix_match", "suffix")):
        if old in condition:
            return _string_holds({new: condition[old]}, value)
    if "contains_match" in condition:
        return _string_holds({"contains": condition["contains_match"]}, value)
    if "safe_regex_match" in condition:
        return _regex_holds(condition["safe_regex_match"], value)
    return None


def _string_holds(matcher: Json, value: str) -> Decided:
    """StringMatcher (type/matcher/v3/string.proto)."""
    kind = next((key for key in ("exact", "prefix", "suffix", "contains", "safe_regex") if key in matcher), "")
    wanted = text(matcher.get(kind))
    if matcher.get("ignore_case") is True:
        value, wanted = value.lower(), wanted.lower()
    match kind:
        case "exact":
            return value == wanted
        case "prefix":
            return value.startswith(wanted)
        case "suffix":
            return value.endswith(wanted)
        case "contains":
            return wanted in value
        case "safe_regex":
            return _regex_holds(matcher["safe_regex"], value)
    return None


def _parameter_holds(condition: Json, request: OutboundRequest) -> Decided:
    query = request.path.partition("?")[2].partition("#")[0]
    values = parse_qs(query, keep_blank_values=True).get(text(condition.get("name")))
    if "present_match" in condition:
        return (values is not None) == (condition["present_match"] is not False)
    if values is None or "string_match" not in condition:
        return values is not None
    return _string_holds(mapping(condition["string_match"]), values[0])


def _always(fraction: Json) -> Decided:
    """True if the fraction is all of them; a lesser one falls by chance."""
    denominator = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
    whole = denominator.get(text(fraction.get("denominator")) or "HUNDRED", 100)
    return True if number(fraction.get("numerator")) >= whole else None


def _regex_holds(matcher: object, value: str) -> Decided:
    """Full match. RE2 takes linear time and Python does not, and the expression comes from the cluster: only such as
    cannot run away are decided here."""
    pattern = text(at(matcher, "regex"))
    steps = max(len(value), 2) ** len(re.findall(r"[*+{]", pattern)) * 2 ** pattern.count("?")
    if re.search(r"\)[*+{]", pattern) or steps > MAX_STEPS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.fullmatch(pattern, value, re.ASCII) is not None
        except (re.error, OverflowError, RecursionError):
            return None
