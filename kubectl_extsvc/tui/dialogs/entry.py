"""What is typed into the form of a new alias: checked with every key, and what would be made of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from kubectl_extsvc.errors import ApiError, ExtsvcError, Refused, UsageError
from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.model.alias import Form, TlsMode
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.plan import Action, Change
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.operations.creating import Created, CreateWishes, Draft, Present, draft_of, plan_on
from kubectl_extsvc.output.plan_text import manifests
from kubectl_extsvc.output.style import STATES, Style
from kubectl_extsvc.plans.changes import printable
from kubectl_extsvc.plans.fixes import objects_in
from kubectl_extsvc.plans.naming import default_alias_name, external_host, namespace_name
from kubectl_extsvc.plans.ports import TLS_PORTS, default_ports, parse_ports
from kubectl_extsvc.plans.tls import TlsWishes, parse_tls_mode
from kubectl_extsvc.tui.lines import Ink, Line, hanging, line, sign, span, within

NAME_FORM, ADDRESS_FORM = "ExternalName", "addresses"
FORMS = (NAME_FORM, ADDRESS_FORM)
MODES = ("auto", "DISABLE", "SIMPLE", "MUTUAL")
MESHES = ("auto", "none")
FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Entry:
    """The fields as they stand; "" is a proposal that nobody has changed."""

    target: str = ""
    """A host, a URL, or addresses."""
    name: str = ""
    namespace: str = ""
    form: str = NAME_FORM
    host: str = ""
    """Of addresses."""
    ports: str = ""
    tls: str = "auto"
    sni: str = ""
    sans: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    mesh: str = "auto"


LABELS = {
    "target": "target",
    "name": "name",
    "namespace": "namespace",
    "form": "form",
    "host": "host",
    "ports": "ports",
    "tls": "TLS",
    "sni": "SNI",
    "sans": "SANs",
    "ca": "CA",
    "certificate": "cert",
    "key": "key",
    "mesh": "mesh",
}
"""Field → what stands before it, in the order of the form."""

_FIELD_OF_FLAG = {
    "--external-name": "target",
    "--address": "target",
    "--host": "host",
    "--port": "ports",
    "--tls-mode": "tls",
    "--tls-sni": "sni",
    "--tls-subject-alt-names": "sans",
    "--tls-ca-certificates": "ca",
    "--tls-client-certificate": "certificate",
    "--tls-private-key": "key",
    "--mesh": "mesh",
}
_FIELD_OF_START = {
    "invalid alias name": "name",
    "a NAME is needed": "name",
    'alias "': "name",
    'service "': "name",
    "invalid namespace": "namespace",
    "port ": "ports",
    "clients speak TLS": "tls",
}


def words_of(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text.strip()) if word)


def has_addresses(entry: Entry) -> bool:
    words = words_of(entry.target)
    return bool(words) and all(is_address(word.removeprefix("[").removesuffix("]")) for word in words)


def host_of(entry: Entry) -> str:
    """As it was typed, without the parts of a URL around it."""
    if has_addresses(entry):
        return entry.host.strip()
    return _split(entry.target)[1]


def proposed_ports(entry: Entry, mesh: Mesh) -> str:
    """What the port field stands for while it is empty: by the URL, else create's default."""
    scheme, _, port = _split(entry.target)
    if scheme == "https":
        number = port or 443
        # Applications call http, and the sidecar adds the TLS, where there is somebody to add it.
        originates = mesh.installed and entry.mesh == "auto" and entry.tls != "DISABLE" and number in TLS_PORTS
        return f"http:80:{number}" if originates else f"tls:{number}"
    if scheme == "http" and port:
        return f"http:{port}"
    form = Form.ENDPOINTS if has_addresses(entry) or entry.form == ADDRESS_FORM else Form.EXTERNAL_NAME
    return ",".join(map(str, default_ports(form, _mode(entry))))


def proposed_name(entry: Entry) -> str:
    """my- and the registered label of the host, "" while there is none."""
    try:
        return default_alias_name(external_host(host_of(entry), flag="")[0])
    except UsageError:
        return ""


def shown_fields(entry: Entry, mesh: Mesh) -> tuple[str, ...]:
    """Those that mean something for what is typed so far."""
    addresses, mode = has_addresses(entry), _mode(entry)
    adds_tls = mode in (TlsMode.SIMPLE, TlsMode.MUTUAL) or (mode is None and _originates(entry, mesh))
    hidden = {
        "form": addresses,
        "host": not addresses,
        "tls": not mesh.installed and entry.tls == "auto",
        "sni": not adds_tls or not mesh.installed,
        "sans": not adds_tls or not mesh.installed,
        "ca": not adds_tls or not mesh.installed,
        "certificate": mode is not TlsMode.MUTUAL,
        "key": mode is not TlsMode.MUTUAL,
        "mesh": not mesh.installed,
    }
    return tuple(field for field in LABELS if not hidden.get(field, False))


def _originates(entry: Entry, mesh: Mesh) -> bool:
    try:
        return any(port.originates for port in parse_ports(words_of(entry.ports or proposed_ports(entry, mesh))))
    except UsageError:
        return False


def proposals(entry: Entry, mesh: Mesh) -> dict[str, str]:
    """Field → what stands there in grey while it is empty."""
    host = host_of(entry)
    return {
        "target": "a host, a URL, or addresses",
        "name": proposed_name(entry) or "of the alias",
        "host": "that the addresses belong to",
        "ports": proposed_ports(entry, mesh),
        "sni": host or "that the sidecar sends",
        "sans": entry.sni or host,
        "ca": "system",
        "certificate": "path inside istio-proxy",
        "key": "path inside istio-proxy",
    }


def wishes_of_entry(entry: Entry, mesh: Mesh) -> CreateWishes:
    addresses = words_of(entry.target) if has_addresses(entry) else ()
    host = host_of(entry)
    by_name = not addresses and entry.form == NAME_FORM
    return CreateWishes(
        name=entry.name.strip(),
        external_name=host if by_name else "",
        addresses=addresses,
        host="" if by_name else host,
        lookup=not addresses and not by_name,
        ports=words_of(entry.ports or proposed_ports(entry, mesh)),
        tls=TlsWishes(
            mode=entry.tls,
            sni=entry.sni.strip(),
            subject_alt_names=words_of(entry.sans),
            ca_certificates=entry.ca.strip(),
            client_certificate=entry.certificate.strip(),
            private_key=entry.key.strip(),
        ),
        mesh=entry.mesh == "auto",
        export_to=(),
        overwrite=False,
        adopt=False,
        dry_run="none",
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """What can be said without asking the server."""

    field: str = ""
    """Where something is wrong; "" is about the whole, or nothing is."""
    error: str = ""
    created: Created | None = None
    """What would be made; None if something is wrong, or nothing is typed yet."""


def checked(entry: Entry, mesh: Mesh, snapshot: Snapshot) -> Checked:
    if not entry.target.strip():
        return Checked()
    wishes = wishes_of_entry(entry, mesh)
    try:
        namespace = namespace_name(entry.namespace)
        draft = draft_of(wishes, _nothing)
        return Checked(created=plan_on(wishes, draft, namespace, mesh, _present(snapshot, namespace)))
    except (UsageError, Refused) as error:
        return _wrong(str(error), wishes)


def draft_of_entry(entry: Entry, mesh: Mesh) -> tuple[CreateWishes, Draft]:
    """For create, of an entry that was checked."""
    wishes = wishes_of_entry(entry, mesh)
    return wishes, draft_of(wishes, _nothing)


def _nothing(text: str) -> None:
    """The name that is proposed stands in its field."""


def _wrong(text: str, wishes: CreateWishes) -> Checked:
    """The error without the flag that it starts with, at the field that stands for the flag."""
    flag, colon, rest = text.partition(": ")
    if colon and flag in _FIELD_OF_FLAG:
        field = "target" if flag == "--host" and wishes.lookup else _FIELD_OF_FLAG[flag]
        return Checked(field, rest)
    field = next((field for start, field in _FIELD_OF_START.items() if text.startswith(start)), "")
    return Checked(field, text)


def _present(snapshot: Snapshot, namespace: str) -> Present:
    kinds = ("Service", "EndpointSlice", "DestinationRule", "VirtualService", "ServiceEntry")
    objects = tuple(
        obj for ref, obj in objects_in(snapshot).items() if ref.kind in kinds and ref.namespace == namespace
    )
    return Present(objects, snapshot.virtual_services, snapshot.service_entries)


def _mode(entry: Entry) -> TlsMode | None:
    return parse_tls_mode(entry.tls)


def _split(target: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL; of what is none, the text itself."""
    text = target.strip()
    if "://" not in text:
        return "", text, None
    try:
        url = urlsplit(text)
        return url.scheme.lower(), url.hostname or "", url.port
    except ValueError:
        return "", text, None


@dataclass(frozen=True, slots=True)
class Tried:
    """The server's dry run of an entry."""

    entry: Entry
    answer: Created | ExtsvcError | None = None
    """None: it is being asked."""
    notes: tuple[str, ...] = ()
    """What was said on the way: how addresses were looked up."""


def preview_lines(
    entry: Entry, found: Checked, tried: Tried | None, width: int, style: Style, *, making: bool = False
) -> list[Line]:
    """What would be made, why, what to mind and how it will be called."""
    answer = tried.answer if tried is not None and tried.entry == entry else None
    if found.created is None:
        if found.error:
            return [] if found.field else hanging((), found.error, width, style, ink=Ink.BAD, most=12)
        words = "An alias is a local name for something outside. Say what it shall stand for, and see what is made."
        return hanging((), words, width, style, ink=Ink.DIM)
    created = answer if isinstance(answer, Created) else found.created
    intent = created.intent
    lines = [_server_line(intent.namespace, answer, width, style, making=making)]
    for change in created.plan.changes:
        lines += _change_lines(change, width, style)
    if intent.tls.mode is not TlsMode.DISABLE:
        names = ", ".join(intent.tls.subject_alt_names)
        lines += hanging((), f"TLS {intent.tls.mode}: SNI {intent.tls.sni}, SANs {names}", width, style)
    notes = tried.notes if tried is not None and tried.entry == entry else ()
    for text in (*created.plan.warnings, *notes):
        lines += hanging((span("! ", Ink.WARN),), text, width, style, ink=Ink.WARN, most=6)
    if isinstance(answer, ExtsvcError):
        for text in str(answer).splitlines():
            lines += hanging((), text, width, style, ink=Ink.BAD, most=6)
        if isinstance(answer, ApiError) and answer.code == FORBIDDEN:
            lines += hanging((), "ctrl+y shows the manifests, for somebody who has the right", width, style)
    lines += [Line(), within(line(span("How it is called", Ink.DIM, style)), width, style)]
    return [*lines, *(one for text in created.how_to_call for one in hanging((), text, width, style, most=6))]


def _server_line(
    namespace: str, answer: Created | ExtsvcError | None, width: int, style: Style, *, making: bool
) -> Line:
    if making:
        parts = [span(f"Making it in {namespace} …", Ink.STRONG, style)]
    else:
        parts = [span(f"Makes in {namespace}", Ink.STRONG, style), span("   ")]
        match answer:
            case None:
                parts.append(span("the server is being asked …", Ink.DIM, style))
            case Created():
                parts += [sign(STATES[StageState.OK], style), span(" server dry run", Ink.PLAIN, style)]
            case ExtsvcError():
                parts += [sign(STATES[StageState.FAILED], style), span(" the server refuses", Ink.PLAIN, style)]
    return within(line(*parts, style=style), width, style)


def _change_lines(change: Change, width: int, style: Style) -> list[Line]:
    signs = {Action.CREATE: ("+", Ink.GOOD), Action.CONFIGURE: ("~", Ink.WARN), Action.DELETE: ("-", Ink.BAD)}
    mark, ink = signs.get(change.action, ("=", Ink.DIM))
    what = f"{change.resource.qualified}/{change.ref.name}"
    return [
        within(line(span(f"{mark} {what}", ink, style)), width, style),
        *hanging((span("    "),), change.why, width, style, ink=Ink.DIM),
    ]


def manifests_of_entry(entry: Entry, found: Checked, tried: Tried | None) -> str:
    """For `kubectl apply -f -`, each with why it is there; "" while something is wrong."""
    answer = tried.answer if tried is not None and tried.entry == entry else None
    created = answer if isinstance(answer, Created) else found.created
    if created is None:
        return ""
    why: Sequence[str] = [change.why for change in created.plan.changes if change.wanted is not None]
    return manifests(printable(created.plan), "yaml", why)


def with_field(entry: Entry, field: str, value: str) -> Entry:
    return replace(entry, **{field: value})
