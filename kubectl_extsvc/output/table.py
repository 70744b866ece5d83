"""Aliases as rows, in kubectl's columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.marks import MANAGER
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.output.columns import aligned
from kubectl_extsvc.output.report_json import API_VERSION, alias_document, to_json
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.yaml_text import to_yaml

NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class AliasRow:
    alias: Alias
    tls: str
    """Mode and who decided it, in a few words; "" if not known."""


def alias_table(
    rows: Sequence[AliasRow], *, now: datetime, output: str = "", namespaces: bool = False, headers: bool = True
) -> str:
    """What `list` prints. output is -o's value: "", wide, json, yaml or name; now decides the ages.

    A table of no rows is "": "No resources found" is the caller's to say.
    """
    match output:
        case "json":
            return to_json(aliases_document(rows))
        case "yaml":
            return to_yaml(aliases_document(rows))
        case "name":
            return "".join(f"{clean_line(str(row.alias.service))}\n" for row in rows)
        case _:
            return _table(rows, now, wide=output == "wide", namespaces=namespaces, headers=headers)


def aliases_document(rows: Sequence[AliasRow]) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": "AliasList",
        "items": [alias_document(row.alias, row.tls) for row in rows],
    }


def _table(rows: Sequence[AliasRow], now: datetime, *, wide: bool, namespaces: bool, headers: bool) -> str:
    if not rows:
        return ""
    columns: dict[str, Callable[[AliasRow], str]] = {
        **({"NAMESPACE": lambda row: row.alias.namespace} if namespaces else {}),
        "NAME": lambda row: row.alias.name,
        "FORM": lambda row: row.alias.form,
        "TARGET": lambda row: str(row.alias.target) or NONE,
        "PORTS": lambda row: ",".join(str(port) for port in row.alias.ports) or NONE,
        "TLS": lambda row: row.tls or UNKNOWN,
        "MANAGED-BY": lambda row: MANAGER if row.alias.managed else NONE,
        "AGE": lambda row: age(row.alias.created_at, now),
        **(_WIDE_COLUMNS if wide else {}),
    }
    cells = [[clean_line(cell(row)) for cell in columns.values()] for row in rows]
    return "".join(f"{line}\n" for line in aligned([[*columns], *cells] if headers else cells))


def age(created_at: str, now: datetime) -> str:
    """How old an object is, as kubectl says it: 5s, 3m12s, 2h, 5d. now has a time zone."""
    try:
        created = datetime.fromisoformat(created_at)
        return human_duration((now - created).total_seconds())
    except (ValueError, TypeError):
        return UNKNOWN


def human_duration(duration: float) -> str:
    """Two or three figures of a number of seconds. Source: apimachinery pkg/util/duration/duration.go."""
    seconds = int(duration)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    years = days // 365
    # Two clocks may differ by a second.
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 2 * 60:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 8 * 24:
        return _two(days, "d", hours % 24, "h")
    if hours < 2 * 365 * 24:
        return f"{days}d"
    if hours < 8 * 365 * 24:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def _addresses(alias: Alias) -> str:
    return ",".join(alias.target.addresses) or NONE if isinstance(alias.target, AddressTarget) else NONE


_WIDE_COLUMNS: Mapping[str, Callable[[AliasRow], str]] = {
    "HOST": lambda row: row.alias.host or NONE,
    "ADDRESSES": lambda row: _addresses(row.alias),
    "CLUSTER-IP": lambda row: ",".join(row.alias.cluster_ips) or ("None" if row.alias.headless else NONE),
}
