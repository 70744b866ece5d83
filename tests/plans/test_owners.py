"""Whose an object is that somebody keeps as it is."""

from typing import Any

import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.plans.owners import keeper_of

ARGO_WRITES = [{"manager": "argocd-application-controller", "operation": "Apply"}]
KUBECTL_WRITES = [{"manager": "kubectl-client-side-apply", "operation": "Update"}]
OWNED_BY_OPERATOR = [{"kind": "VirtualMachine", "name": "vm", "controller": True}]


def obj(**metadata: Any) -> Json:
    return {"metadata": {"name": "x", "namespace": "shop", **metadata}}


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "web:v1/Service:shop/x"}}, 'Argo CD application "web"'),
        ({"labels": {"argocd.argoproj.io/instance": "web"}}, 'Argo CD application "web"'),
        (
            {"labels": {"app.kubernetes.io/instance": "web"}, "managedFields": ARGO_WRITES},
            'Argo CD application "web"',
        ),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "web", "kustomize.toolkit.fluxcd.io/namespace": "flux"}},
            'Flux kustomization "web" in namespace "flux"',
        ),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}, 'Flux helmrelease "web"'),
        (
            {"annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}},
            'Helm release "web" in namespace "shop"',
        ),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "web"}},
            'Helm release "web"',
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"ownerReferences": OWNED_BY_OPERATOR}, "virtualmachine/vm"),
        ({"ownerReferences": [{"kind": "Endpoints", "name": "x", "controller": True}]}, "endpoints/x"),
    ],
)
def test_keeper_of_an_object_that_would_be_written_again(metadata: Json, keeper: str) -> None:
    assert keeper_of(obj(**metadata)) == keeper


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": None, "annotations": None, "ownerReferences": None, "managedFields": None},
        {"labels": {"app.kubernetes.io/instance": "web"}, "managedFields": KUBECTL_WRITES},
        {"labels": {"app.kubernetes.io/managed-by": "kubectl-extsvc"}},
        {"ownerReferences": [{"kind": "Service", "name": "x", "controller": True}]},
        {"ownerReferences": [{"kind": "Deployment", "name": "x", "controller": False}]},
    ],
)
def test_what_people_or_we_keep_has_no_keeper(metadata: Json) -> None:
    assert keeper_of(obj(**metadata)) == ""
