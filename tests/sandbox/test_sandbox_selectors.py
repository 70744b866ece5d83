"""labelSelector and fieldSelector."""

import pytest
from sandbox.api_server import stored

from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.refusals import Refused
from kubectl_extsvc.sandbox.api.selectors import selection

OBJECT = stored(
    "pods", "shop", "web", {"app": "web", "extsvc.dev/alias": "my-pay"}, status={"phase": "Running"}, spec={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "fields", "selected"),
    [
        ("", "", True),
        ("app=web", "", True),
        ("app==web", "", True),
        ("app=api", "", False),
        ("app!=api", "", True),
        ("other!=api", "", True),
        ("app", "", True),
        ("!app", "", False),
        ("! other", "", True),
        ("app in (api, web),extsvc.dev/alias=my-pay", "", True),
        ("app notin (api,web)", "", False),
        ("other notin (api)", "", True),
        ("app=", "", False),
        ("", "metadata.name=web,metadata.namespace=shop", True),
        ("", "metadata.name!=web", False),
        ("", "status.phase==Running", True),
        ("", "spec.nodeName=", True),
        ("app=web", "metadata.name=other", False),
    ],
)
def test_what_is_selected(labels: str, fields: str, selected: bool) -> None:
    assert selection(BY_RESOURCE["pods"], labels, fields)(OBJECT) is selected


@pytest.mark.parametrize(
    ("labels", "fields", "said"),
    [
        ("a b", "", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("", "spec.type=X", "field label not supported: spec.type"),
        ("", "metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_servers_words(labels: str, fields: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        selection(BY_RESOURCE["pods"], labels, fields)
    assert (caught.value.code, caught.value.message) == (400, said)
