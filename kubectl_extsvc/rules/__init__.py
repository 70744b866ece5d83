"""Judgement and cures, in families by stage; one more rule is one more function."""

from kubectl_extsvc.model.finding import Judgement
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.rules import (
    additions,
    addresses,
    ambient,
    bypass,
    certificates,
    endpoints,
    http,
    lost_rules,
    mesh_binding,
    names,
    path,
    port_names,
    registering,
    tls,
    tls_names,
)
from kubectl_extsvc.rules.family import SHELF, Rule
from kubectl_extsvc.rules.judging import judge_by

FAMILIES = (
    names, addresses, endpoints, mesh_binding, port_names, lost_rules, registering, tls, tls_names, certificates, http,
    additions, path, bypass, ambient,
)  # fmt: skip

CAUSAL_ORDER = (
    "XS0606",  # the network lets nothing out, names included
    "XS0101", "XS0104", "XS0105", "XS0106", "XS0102", "XS0103",  # no name, or another: nothing else can be seen
    "XS0608",  # the call does not come to the proxy
    "XS0603", "XS0609", "XS0607", "XS0601", "XS0311", "XS0304", "XS0602",  # the proxy does not forward
    "XS0310", "XS0604",  # it forwards past the alias's own host
    "XS0207", "XS0208", "XS0201", "XS0211", "XS0202", "XS0209", "XS0210",  # nobody to forward to
    "XS0203", "XS0213", "XS0204",
    "XS0306", "XS0307",  # the wrong protocol
    "XS0308", "XS0309", "XS0301", "XS0302", "XS0405", "XS0406", "XS0403", "XS0402", "XS0414",  # the wrong TLS, and why
    "XS0407", "XS0212",
    "XS0411", "XS0412", "XS0413",  # the certificates
    "XS0205", "XS0509", "XS0505", "XS0507", "XS0501",
    # What is seen where none of the above says why.
    "XS0401", "XS0409", "XS0410", "XS0506", "XS0508", "XS0504", "XS0502", "XS0503",
    # Works, but is not as it should be.
    "XS0303", "XS0305", "XS0404", "XS0415", "XS0408", "XS0701", "XS0605", "XS0801", "XS0802", "XS0803",
)  # fmt: skip
"""Codes, causes before what they cause. A symptom rule is silent where an earlier error speaks of the same calls."""


def _in_causal_order() -> tuple[Rule, ...]:
    if sorted(CAUSAL_ORDER) != sorted(SHELF):
        odd = sorted(set(CAUSAL_ORDER) ^ set(SHELF)) or "one stands twice"
        raise ValueError(f"CAUSAL_ORDER and the rules differ: {odd}")
    return tuple(SHELF[code] for code in CAUSAL_ORDER)


IN_CAUSAL_ORDER = _in_causal_order()

RULES = tuple(sorted(IN_CAUSAL_ORDER, key=lambda rule: rule.code))
"""All rules, by code."""


def judge(case: Case) -> Judgement:
    """What all rules say about one alias."""
    return judge_by(IN_CAUSAL_ORDER, case)


__all__ = ["CAUSAL_ORDER", "FAMILIES", "RULES", "Rule", "judge"]
