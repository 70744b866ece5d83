"""Which namespaces may see an object."""

import pytest

from kubectl_extsvc.mesh.export_to import default_export_to, exported_to, service_export_to
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICE_ENTRIES, SERVICES, VIRTUAL_SERVICES


@pytest.mark.parametrize(
    ("export_to", "client", "expected"),
    [
        ((), "web", True),
        (("*",), "web", True),
        ((".",), "web", False),
        ((".",), "shop", True),
        (("web",), "web", True),
        (("web",), "shop", False),
        (("~",), "shop", False),
    ],
)
def test_export_to_says_which_namespaces_see_an_object(export_to: tuple[str, ...], client: str, expected: bool) -> None:
    assert exported_to(export_to, "shop", client) is expected


def test_an_object_that_does_not_say_has_the_meshs_default() -> None:
    assert exported_to((), "shop", "web", default=(".",)) is False
    assert exported_to((), "shop", "shop", default=(".",)) is True
    assert exported_to(("*",), "shop", "web", default=(".",)) is True


def test_the_mesh_has_a_default_for_each_kind() -> None:
    told = {"defaultServiceExportTo": [".", "web"], "defaultVirtualServiceExportTo": ["*"]}
    assert default_export_to(SERVICES, told) == (".", "web")
    assert default_export_to(SERVICE_ENTRIES, told) == (".", "web")
    assert default_export_to(VIRTUAL_SERVICES, told) == ()
    assert default_export_to(DESTINATION_RULES, told) == ()


def test_of_the_default_for_destination_rules_only_the_dot_counts() -> None:
    assert default_export_to(DESTINATION_RULES, {"defaultDestinationRuleExportTo": [".", "web"]}) == (".",)
    assert default_export_to(DESTINATION_RULES, {"defaultDestinationRuleExportTo": ["web"]}) == ()


def test_a_service_says_export_to_in_an_annotation() -> None:
    annotated = {"metadata": {"name": "pay", "annotations": {"networking.istio.io/exportTo": "., web"}}}
    assert service_export_to(annotated) == (".", "web")
    assert service_export_to({"metadata": {"name": "pay"}}) == ()
