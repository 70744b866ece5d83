"""Short names of pods: as short as they can be told apart."""

import pytest

from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.output.source_names import short_names


@pytest.mark.parametrize(
    ("pods", "names"),
    [
        (["shop/web-7d9fc4d8b6-x2x4q", "shop/cron-55"], ["web", "cron-55"]),
        (["shop/job-x2x4q", "shop/web-0"], ["job", "web-0"]),
        (
            ["default/curl-6cdbf6bc6b-4lhkw", "without-istio/curl-5b549b49b8-zx9qd"],
            ["curl.default", "curl.without-istio"],
        ),
        (["shop/web-7d9fc4d8b6-x2x4q", "shop/web-7d9fc4d8b6-bbbbb"], ["web-7d9fc4d8b6-x2x4q", "web-7d9fc4d8b6-bbbbb"]),
        (
            ["shop/web-7d9fc4d8b6-x2x4q", "shop/web-7d9fc4d8b6-bbbbb", "test/web-7d9fc4d8b6-bbbbb"],
            ["web-7d9fc4d8b6-x2x4q.shop", "web-7d9fc4d8b6-bbbbb.shop", "web-7d9fc4d8b6-bbbbb.test"],
        ),
        (["shop/web-fresh"], ["web-fresh"]),
    ],
)  # fmt: skip
def test_names_are_as_short_as_they_differ(pods: list[str], names: list[str]) -> None:
    sources = [Source(pod.partition("/")[0], pod.partition("/")[2], "main", MeshMode.PLAIN) for pod in pods]
    assert short_names(sources) == dict(zip(pods, names, strict=True))


def test_source_seen_twice_is_one() -> None:
    source = Source("shop", "cron-55", "main", MeshMode.PLAIN)
    assert short_names([source, source]) == {"shop/cron-55": "cron-55"}
