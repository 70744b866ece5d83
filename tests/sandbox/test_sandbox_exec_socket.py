"""pods/exec as kubectl speaks it."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from sandbox.api_server import STATUS, Api, api_server, pod

from kubectl_extsvc.sandbox.api.exec_socket import container_of
from kubectl_extsvc.sandbox.api.refusals import Refused

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PATH = "/api/v1/namespaces/default/pods/curl/exec"


def query(*argv: str, stdin: bool = False, stderr: bool = True) -> str:
    words = "&".join(f"command={word}" for word in argv)
    return f"{PATH}?{words}&stdout=true&stderr={json.dumps(stderr)}&stdin={json.dumps(stdin)}"


async def frames(api: Api, path: str, *sent: bytes, protocol: str = V5) -> list[bytes]:
    async with api.session.ws_connect(api.url + path, protocols=(protocol,)) as socket:
        assert socket.protocol == protocol
        for frame in sent:
            await socket.send_bytes(frame)
        return [message.data async for message in socket]


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_streams_come_apart_and_the_end_last(protocol: str) -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        assert await frames(api, query("echo", "hi"), protocol=protocol) == [
            b"\x01",
            b"\x01curl: hi\n",
            b"\x02aside\n",
            b'\x03{"metadata":{},"status":"Success"}',
        ]


async def test_a_stream_that_was_not_asked_for_is_not_sent() -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        assert [frame[0] for frame in await frames(api, query("echo", "hi", stderr=False))] == [1, 1, 3]


async def test_an_exit_code_is_a_cause_of_the_status() -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        *_, end = await frames(api, query("exit", "7"))
        assert json.loads(end[1:]) == {
            "metadata": {},
            "status": "Failure",
            "message": "command terminated with non-zero exit code: command terminated with exit code 7",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
        }


@pytest.mark.parametrize(
    ("name", "why"),
    [("nope", "executable file not found in $PATH"), ("/bin/nope", "stat /bin/nope: no such file or directory")],
)
async def test_a_program_that_is_not_there_is_told_in_the_words_of_runc(name: str, why: str) -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        *_, end = await frames(api, query(name))
        status = json.loads(end[1:])
        assert (status["code"], status["reason"]) == (500, "InternalError")
        assert status["message"].endswith(f'unable to start container process: exec: "{name}": {why}: unknown')


async def test_stdin_ends_when_the_client_closes_its_channel() -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        sent = (b"\x00one ", b"\x04{}", b"\x00two", b"\xff\x00")
        answered = await frames(api, query("cat", stdin=True), *sent)
        assert answered[1:] == [b"\x01one ", b"\x01two", b'\x03{"metadata":{},"status":"Success"}']


async def test_a_command_is_cancelled_when_its_client_goes() -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        async with api.session.ws_connect(api.url + query("wait"), protocols=(V5,)) as socket:
            await socket.receive_bytes()
        async with asyncio.timeout(2):
            await api.pods.cancelled.wait()


async def test_a_pod_that_is_not_there_is_not_found_before_the_socket_opens() -> None:
    async with api_server() as api:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await frames(api, query("echo"))
        assert refused.value.status == 404


async def test_what_no_websocket_of_ours_can_answer_is_refused() -> None:
    async with api_server() as api:
        api.store.put("pods", pod())
        message = STATUS | {"message": "Upgrade request required", "reason": "BadRequest", "code": 400}
        assert await api.ask(query("echo"), "POST") == (400, message)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await frames(api, query("echo"), protocol="channel.k8s.io")
        assert refused.value.status == 403


SIDECAR: dict[str, Any] = {"initContainers": [{"name": "istio-proxy"}], "ephemeralContainers": [{"name": "debug"}]}


@pytest.mark.parametrize("named", ["a", "istio-proxy", "debug"])
def test_a_container_of_every_sort_can_be_named(named: str) -> None:
    assert container_of({**pod("p", "a", "b"), "spec": {**pod("p", "a", "b")["spec"], **SIDECAR}}, named) == named


def test_the_only_container_need_not_be_named() -> None:
    assert container_of(pod("p", "a"), "") == "a"


def test_one_of_several_has_to_be_named() -> None:
    for named, said in (
        ("", "a container name must be specified for pod p, choose one of: [a b]"),
        ("c", "container c is not valid for pod p"),
    ):
        with pytest.raises(Refused) as caught:
            container_of(pod("p", "a", "b"), named)
        assert (caught.value.code, caught.value.message) == (400, said)
