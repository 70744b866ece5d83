"""Who keeps an object as it is: a patch of it would be undone at the next sync, so it is changed at its source."""

from collections.abc import Mapping

from kubectl_extsvc.model.marks import MANAGED_BY_LABEL
from kubectl_extsvc.model.resources import Json

ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
ARGO_INSTANCE = "argocd.argoproj.io/instance"
INSTANCE_LABEL = "app.kubernetes.io/instance"
"""Argo CD's default mark; others set it too, so that a field manager of Argo CD must stand beside it."""
FLUX = {"kustomize.toolkit.fluxcd.io": "Flux kustomization", "helm.toolkit.fluxcd.io": "Flux helmrelease"}
HELM_RELEASE = "meta.helm.sh/release-name"
HELM_NAMESPACE = "meta.helm.sh/release-namespace"


def keeper_of(obj: Json) -> str:
    """In words, for example: Helm release "shop" in namespace "web"; "" if people keep the object, or we do.

    Sources: argo-cd util/argo/resource_tracking.go, fluxcd/pkg ssa/manager.go, helm pkg/action/validate.go; an
    ownerReference with controller: true is a controller's (apimachinery pkg/apis/meta/v1/controller_ref.go).
    """
    metadata = obj["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if tracking := annotations.get(ARGO_TRACKING):
        return f'Argo CD application "{tracking.partition(":")[0]}"'
    application = labels.get(ARGO_INSTANCE) or (labels.get(INSTANCE_LABEL) if _of_argo(metadata) else "")
    if application:
        return f'Argo CD application "{application}"'
    for group, what in FLUX.items():
        if name := labels.get(f"{group}/name"):
            return f'{what} "{name}"{_in(labels.get(f"{group}/namespace", ""))}'
    if release := annotations.get(HELM_RELEASE):
        return f'Helm release "{release}"{_in(annotations.get(HELM_NAMESPACE, ""))}'
    if labels.get(MANAGED_BY_LABEL) == "Helm":
        return _helm_release(labels)
    owners = (owner for owner in metadata.get("ownerReferences") or () if owner.get("controller"))
    return next((f"{owner['kind'].lower()}/{owner['name']}" for owner in owners if owner["kind"] != "Service"), "")


def _of_argo(metadata: Json) -> bool:
    return any(field.get("manager", "").startswith("argocd") for field in metadata.get("managedFields") or ())


def _helm_release(labels: Mapping[str, str]) -> str:
    name = labels.get(INSTANCE_LABEL, "")
    return f'Helm release "{name}"' if name else "Helm"


def _in(namespace: str) -> str:
    return f' in namespace "{namespace}"' if namespace else ""
