"""A server that speaks first behind a port without a name: callers with sidecar wait for ever."""

import json
from collections.abc import Callable

import pytest
from clusters import Run, SourcePod
from truth.objects import addresses_alias

DB = "203.0.113.24"
"""db.example: says `ready`, then echoes."""
PORT = 5432


@pytest.mark.testbed
def test_a_server_that_speaks_first_is_heard(
    extsvc: Run, kubectl: Run, made: Callable[..., None], sidecar_pod: SourcePod, plain_pod: SourcePod
) -> None:
    service, endpoint_slice = addresses_alias("silent-db", DB, PORT, PORT)
    for port in (service["spec"]["ports"][0], endpoint_slice["ports"][0]):
        port["name"] = ""
    made(service, endpoint_slice)

    done = extsvc("verify", "silent-db", "-o", "json", check=False)

    (alias,) = json.loads(done.stdout)["aliases"]
    found = [(f["code"], f["severity"], f["evidence"]) for f in alias["findings"]]
    assert found == [("XS0307", "warning", ["the server says: ready"])], done.stdout
    # It is as the rule says: who waits for the server's word hears it without a sidecar only.
    listen = ("timeout", "2", "nc", "silent-db.default.svc.cluster.local", f"{PORT}")
    words = [kubectl("exec", *pod.exec, *listen, check=False).stdout.strip() for pod in (plain_pod, sidecar_pod)]
    assert words == ["ready", ""]
