"""Short names for the pods that we look from."""

import re
from collections.abc import Callable, Sequence

from kubectl_extsvc.model.source import Source

# Pods of a Deployment end in -HASH-SUFFIX, those of a Job or DaemonSet in -SUFFIX, both in an alphabet
# without vowels: apimachinery pkg/util/rand, SafeEncodeString and String.
_GENERATED = re.compile(r"(?:-[bcdfghjklmnpqrstvwxz2456789]{5,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}$")

_STATEFUL_SET_LABEL = "statefulset.kubernetes.io/pod-name"
"""Every StatefulSet's pods have it (k8s.io/api/apps/v1, StatefulSetPodNameLabel)."""


def short_names(sources: Sequence[Source]) -> dict[str, str]:
    """Key of each source → the shortest name under which all of them differ: web, web.shop, web-7d9f-x2x4q, …"""
    distinct = {source.key: source for source in sources}
    schemes: tuple[Callable[[Source], str], ...] = (
        _workload,
        lambda source: f"{_workload(source)}.{source.namespace}",
        lambda source: source.pod,
    )
    for scheme in schemes:
        names = {key: scheme(source) for key, source in distinct.items()}
        if len(set(names.values())) == len(names):
            return names
    return {key: f"{source.pod}.{source.namespace}" for key, source in distinct.items()}


def workload_of(source: Source) -> str:
    """Name of what made the pod, by the pod's name: web for web-7d9f-x2x4q, and for web-0 of a StatefulSet."""
    if any(key == _STATEFUL_SET_LABEL for key, _ in source.labels):
        return source.pod.rpartition("-")[0] or source.pod
    return _workload(source)


def _workload(source: Source) -> str:
    return _GENERATED.sub("", source.pod) or source.pod
