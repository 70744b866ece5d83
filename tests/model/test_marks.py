"""Whose objects are."""

import pytest

from kubectl_extsvc.model.marks import alias_of, is_ours


@pytest.mark.parametrize(
    ("labels", "ours", "alias"),
    [
        ({"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/alias": "my-pay"}, True, "my-pay"),
        ({"app.kubernetes.io/managed-by": "kubectl-extsvc"}, True, ""),
        ({"app.kubernetes.io/managed-by": "Helm", "extsvc.dev/alias": "my-pay"}, False, ""),
        ({"extsvc.dev/alias": "my-pay"}, False, ""),
        ({}, False, ""),
        (None, False, ""),
    ],
)
def test_labels_tell_whose_an_object_is(labels: dict[str, str] | None, ours: bool, alias: str) -> None:
    obj = {"metadata": {"name": "my-pay", "labels": labels}}
    assert (is_ours(obj), alias_of(obj)) == (ours, alias)


def test_object_without_labels_is_not_ours() -> None:
    assert (is_ours({"metadata": {}}), alias_of({"metadata": {}})) == (False, "")
