"""Versions of Istio, from texts, images and labels."""

import pytest

from kubectl_extsvc.mesh.istio_version import version_in, version_of_image, version_of_istiod, version_of_node


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.31.0", (1, 31)),
        ("1.31-alpha.5dd1e5c0a1", (1, 31)),
        ("1.32-dev", (1, 32)),
        ("v1.22.3-distroless", (1, 22)),
        ("1.20", (1, 20)),
        ("unknown", None),
        ("latest", None),
        ("5dd1e5c0a1", None),
        ("65536:65536-65536", None),
        ("", None),
    ],
)
def test_major_and_minor_are_read_from_istios_words(text: str, expected: tuple[int, int] | None) -> None:
    assert version_in(text) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker.io/istio/pilot:1.31.0-distroless", (1, 31)),
        ("registry.example:5000/istio/pilot", None),
        ("registry.example:5000/istio/pilot:1.30.3", (1, 30)),
        ("istio/pilot:1.29.1@sha256:1234", (1, 29)),
        ("istio/pilot@sha256:1234", None),
        ("istio/pilot:latest", None),
    ],
)
def test_an_images_tag_is_read_and_a_registrys_port_is_not(image: str, expected: tuple[int, int] | None) -> None:
    assert version_of_image(image) == expected


def test_a_proxy_says_its_version_in_its_node_metadata() -> None:
    assert version_of_node({"ISTIO_VERSION": "1.31.0", "NAMESPACE": "default"}) == (1, 31)
    assert version_of_node({}) is None


def test_istiods_image_comes_before_its_labels() -> None:
    pod = {
        "metadata": {"name": "istiod-1", "labels": {"app.kubernetes.io/version": "1.30.0"}},
        "spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.31.0"}]},
    }
    assert version_of_istiod(pod) == (1, 31)


def test_istiods_labels_say_the_version_where_the_tag_does_not() -> None:
    deployment = {
        "metadata": {"name": "istiod", "labels": {"helm.sh/chart": "istiod-1.28.2"}},
        "spec": {"template": {"spec": {"containers": [{"name": "discovery", "image": "istio/pilot:latest"}]}}},
    }
    assert version_of_istiod(deployment) == (1, 28)


def test_an_unlabelled_istiod_of_latest_has_no_known_version() -> None:
    pod = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "discovery", "image": "istio/pilot:latest"}]}}
    assert version_of_istiod(pod) is None
