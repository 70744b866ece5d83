"""Bodies that kubectl 1.34 sent: create service, secret, deployment, quota; auth can-i."""

import base64

import pytest

from kubectl_extsvc.sandbox.api.protobuf import decoded

SERVICE = (
    "azhzAAoNCgJ2MRIHU2VydmljZRJnCh8KAWESABoEc2hvcCIAKgAyADgAQgBaCAoDYXBwEgFhEkAKGwoHODAtODA4MBIDVENQGFAi"
    "BwgAEJA/GgAoABIICgNhcHASAWEaACIJQ2x1c3RlcklQOgBCAFIAWgBgAGgAGgIKABoAIgA="
)
EXTERNAL_NAME = (
    "azhzAAoNCgJ2MRIHU2VydmljZRJYCh8KAWESABoEc2hvcCIAKgAyADgAQgBaCAoDYXBwEgFhEjESCAoDYXBwEgFhGgAiDEV4dGVy"
    "bmFsTmFtZToAQgBSC2h0dHBiaW4ub3JnWgBgAGgAGgIKABoAIgA="
)
SECRET = "azhzAAoMCgJ2MRIGU2VjcmV0EiEKFQoBYRIAGgRzaG9wIgAqADIAOABCABIGCgFrEgF2GgAaACIA"
DEPLOYMENT = (
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50EqsBCh8KAWQSABoEc2hvcCIAKgAyADgAQgBaCAoDYXBwEgFkEnoIABIKCggKA2Fw"
    "cBIBZBpiChoKABIAGgAiACoAMgA4AEIAWggKA2FwcBIBZBJEEiYKAXgSAXgqADIKCgAQABhQIgAqAEIAagByAIABAIgBAJABAKIB"
    "ABoAMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKAA4ABoMCAAQABgAIAAoADgAGgAiAA=="
)
REVIEW = (
    "azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPAoQCgASABoAIgAqADIAOABC"
    "ABIeChwKBHNob3ASA2dldBoAIgAqBHBvZHMyADoDbG9nGggIABIAGgAgABoAIgA="
)
QUOTA = "azhzAAoTCgJ2MRINUmVzb3VyY2VRdW90YRInChUKAXESABoEc2hvcCIAKgAyADgAQgASDAoKCgNjcHUSAwoBMRoAGgAiAA=="


def body(recorded: str) -> bytes:
    return base64.b64decode(recorded)


def test_a_service_with_a_port() -> None:
    assert decoded(body(SERVICE)) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": "shop", "labels": {"app": "a"}},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "a"},
            "ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
    }


def test_a_service_that_stands_for_another_name() -> None:
    assert decoded(body(EXTERNAL_NAME))["spec"] == {
        "type": "ExternalName",
        "externalName": "httpbin.org",
        "selector": {"app": "a"},
    }


def test_the_data_of_a_secret_is_in_base64() -> None:
    assert decoded(body(SECRET))["data"] == {"k": "dg=="}


def test_no_replicas_are_not_the_default_number_of_replicas() -> None:
    assert decoded(body(DEPLOYMENT))["spec"] == {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {
            "metadata": {"labels": {"app": "d"}},
            "spec": {"containers": [{"name": "x", "image": "x", "ports": [{"containerPort": 80}]}]},
        },
    }


def test_a_question_about_a_right() -> None:
    assert decoded(body(REVIEW))["spec"] == {
        "resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "pods", "name": "log"}
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{}", "no protobuf of Kubernetes"),
        (body(QUOTA), "kind ResourceQuota is not known"),
        (body(SERVICE)[:-9], "cut off, or of an unknown wire type"),
        (b"k8s\x00\x0a\x09\x12\x07Service\x12\x04\x12\x02\x38\x01", "field 7 of ServiceSpec is not known"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        decoded(data)
