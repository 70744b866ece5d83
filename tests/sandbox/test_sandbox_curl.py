"""The host's curl in a pod: where it is led to, what it may do, and what it says."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sandbox.pods_world import POD_IP, WORD, Said, World, pod, world

from kubectl_extsvc.model.probe import Answer, Purpose, Scheme, Transfer
from kubectl_extsvc.probes.batch import Form, Limits
from kubectl_extsvc.probes.curl import batch
from kubectl_extsvc.probes.curl_answers import read_answers
from kubectl_extsvc.sandbox.pods.curl import STDOUT, Dialled, Run, marked, translated
from kubectl_extsvc.sandbox.pods.curl_options import CurlRefused, Option, blocks, config_text

ALIAS = "my-httpbin.default.svc.cluster.local"


@pytest.fixture
async def street() -> AsyncIterator[World]:
    async with world() as made:
        yield made


# --- where it is led to ----------------------------------------------------------------------------------------------


async def test_an_alias_leads_to_the_outside_and_keeps_its_host_header(street: World) -> None:
    said = await street.run("curl", "-sS", "-i", f"http://{ALIAS}/headers")
    head, _, body = said.stdout.partition("\r\n\r\n")
    assert (said.exit_code, json.loads(body)["headers"]["Host"]) == (0, [ALIAS])
    assert f"X-Sandbox-Run: {WORD}" in head.split("\r\n")


async def test_tls_keeps_server_name_and_certificate_check(street: World) -> None:
    good = await street.run("curl", "-sS", "https://api.pay.example/get")
    wrong = await street.run("curl", "-sS", f"https://{ALIAS}/get")
    unchecked = await street.run("curl", "-sS", "-k", "-o", "/dev/null", f"https://{ALIAS}/get")
    assert json.loads(good.stdout)["sni"] == "api.pay.example"
    assert (wrong.exit_code, "no alternative certificate subject name matches" in wrong.stderr) == (60, True)
    assert unchecked == Said(0)


async def test_connect_to_an_alias_of_addresses_keeps_the_hosts_name(street: World) -> None:
    said = await street.run(
        "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip} %{remote_port}",
        "--connect-to", "en.wikipedia.org:443:my-wikipedia.default.svc.cluster.local:443",
        "https://en.wikipedia.org/wiki/Main_Page",
    )  # fmt: skip
    assert said == Said(0, "200 10.96.0.26 443")


async def test_resolve_beats_dns(street: World) -> None:
    argv = ("--resolve", "foo.example:80:203.0.113.10", "-w", "%{remote_ip}", "http://foo.example/status/200")
    assert await street.run("curl", "-sS", *argv) == Said(0, "203.0.113.10")


async def test_the_search_list_is_the_pods(street: World) -> None:
    argv = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://my-httpbin/headers")
    elsewhere = await street.run(*argv, in_pod=pod(namespace="without-istio"))
    assert (await street.run(*argv), elsewhere) == (
        Said(0, "200"),
        Said(6, "000", "curl: (6) Could not resolve host: my-httpbin\n"),
    )


async def test_every_second_call_of_a_half_dead_alias_is_refused(street: World) -> None:
    codes = [(await street.run("curl", "-sS", "-o", "/dev/null", "http://half-dead/")).exit_code for _ in range(4)]
    assert sorted(codes) == [0, 0, 7, 7]


async def test_parallel_transfers_to_a_half_dead_alias_meet_both_endpoints(street: World) -> None:
    transfer = ("-o", "/dev/null", "-w", "%{http_code} ", "http://half-dead/")
    said = await street.run("curl", "-sS", "-Z", *transfer, "--next", *transfer)
    assert sorted(said.stdout.split()) == ["000", "200"]


async def test_a_headless_alias_is_tried_address_by_address(street: World) -> None:
    said = await street.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}", "http://headless/")
    assert said == Said(0, "200 203.0.113.10")


async def test_a_redirect_is_followed_within_the_sandbox(street: World) -> None:
    said = await street.run(
        "curl", "-sSL", "-o", "/dev/null", "-w", "%{url_effective} %{num_redirects}", "http://en.wikipedia.org/"
    )
    assert said == Said(0, "https://en.wikipedia.org/wiki/Main_Page 2")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://nope.example/", Said(6, "", "curl: (6) Could not resolve host: nope.example\n")),
        ("http://[::1]/", Said(7, "", "curl: (7) Failed to connect to ::1 port 80 ")),
        ("http://203.0.113.30/", Said(7, "", "curl: (7) Failed to connect to 203.0.113.30 port 80 ")),
        ("http://empty/", Said(7, "", "curl: (7) Failed to connect to empty port 80 ")),
        ("https://203.0.113.20/", Said(35, "", "curl: (35) ")),
        # Spelt so that curl alone knows which host is meant; it must not find out where that is.
        ("http:///nope.example", Said(6, "", "curl: (6) Could not resolve host: (elsewhere)\n")),
        ("http://127.1/", Said(6, "", "curl: (6) Could not resolve host: (elsewhere)\n")),
    ],
)
async def test_failures_are_curls_own(street: World, url: str, said: Said) -> None:
    found = await street.run("curl", "-sS", url)
    # Then come milliseconds and words of curl's version.
    assert (found.exit_code, found.stdout, found.stderr[: len(said.stderr)]) == (said.exit_code, "", said.stderr)


async def test_a_silent_address_takes_all_the_time_there_is(street: World) -> None:
    said = await street.run("curl", "-sS", "-m", "0.3", "http://203.0.113.99/")
    assert (said.exit_code, "timed out after 3" in said.stderr) == (28, True)


# --- what it says ----------------------------------------------------------------------------------------------------


async def test_verbose_words_are_about_the_pretended_network(street: World) -> None:
    said = await street.run("curl", "-sv", "-o", "/dev/null", f"http://{ALIAS}/status/200", "http://203.0.113.30:81/")
    text = said.stderr
    assert "127.0.0.1" not in text
    assert "DNS cache" not in text
    assert "Connecting to hostname" not in text
    assert f"Connected to {ALIAS} (203.0.113.10) port 80" in text
    assert f"to host {ALIAS} left intact" in text or f"to host {ALIAS}:80 left intact" in text
    assert "connect to 203.0.113.30 port 81 " in text


async def test_json_write_out_is_about_the_pretended_network(street: World) -> None:
    said = await street.run("curl", "-s", "-o", "/dev/null", "-w", "%{json}\\n", "http://half-dead/", "--next",
                            "-o", "/dev/null", "-s", "-w", "%{json}\\n", "http://203.0.113.30/")  # fmt: skip
    first, second = map(json.loads, said.stdout.splitlines())
    assert (first["remote_ip"], first["remote_port"]) == ("10.96.0.30", 80)
    assert second["errormsg"].startswith("Failed to connect to 203.0.113.30 port 80 ")


async def test_one_loopback_port_may_be_two_pairs(street: World) -> None:
    said = await street.run("curl", "-s", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{json}\n",
                            "http://httpbin.org/get", "http://half-dead/get")  # fmt: skip
    assert [json.loads(line)["remote_ip"] for line in said.stdout.splitlines()] == ["203.0.113.10", "10.96.0.30"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_a_mark_may_be_cut_anywhere(size: int) -> None:
    said: list[bytes] = []

    async def write(_: int, data: bytes) -> None:
        said.append(data)

    run = Run("~t~", POD_IP, [[Dialled("alias", "10.96.0.30", 80, 40000)]])
    take = translated(STDOUT, write, run, lines=False)
    text = b"a~b~t ~t~0 remote_ip 127.0.0.1 40000~t~~t~0 remote_port 127.0.0.1 40000~t~ c~t~d"
    for start in range(0, len(text), size):
        await take(text[start : start + size])
    await take(b"")
    assert b"".join(said) == b"a~b~t 10.96.0.3080 c~t~d"


async def test_a_body_passes_unchanged_even_if_it_talks_of_loopback(street: World) -> None:
    text = '{"remote_ip":"127.0.0.1","remote_port":40000} * Connected to (127.0.0.1) port 40000'
    said = await street.run("curl", "-sS", "-H", f"X-Text: {text}", "http://httpbin.org/headers")
    assert json.loads(said.stdout)["headers"]["X-Text"] == [text]


async def test_large_bodies_pass_whole(street: World) -> None:
    url, text = "http://httpbin.org/headers", "~0123456789abcdef" * 400
    config = f'header = "X-Text: {text}"\nwrite-out = "%{{remote_ip}}"\n'
    one = await street.run("curl", "-sS", "-K", "-", url, stdin=config.encode())
    assert (json.loads(one.stdout.removesuffix("203.0.113.10"))["headers"]["X-Text"], one.stderr) == ([text], "")
    many = await street.run("curl", "-sS", "-K", "-", *[url] * 20, stdin=config.encode())
    assert many.stdout == one.stdout * 20


def test_only_fields_with_addresses_are_marked() -> None:
    assert marked("%{http_code} %%{remote_ip} %{errormsg}", "~t~", 3) == (
        "%{http_code} %%{remote_ip} ~t~3 errormsg %{errormsg}~t~"
    )


# --- the product's own probes ----------------------------------------------------------------------------------------

PROBES = (
    Transfer("alias", Purpose.ALIAS, Scheme.HTTP, ALIAS, 80, "/headers"),
    Transfer("address", Purpose.ADDRESS, Scheme.HTTPS, "en.wikipedia.org", 443, connect_to="198.51.100.27"),
    Transfer("tcp", Purpose.ADDRESS, Scheme.TCP, "203.0.113.20", 443),
    Transfer("nothing", Purpose.TARGET, Scheme.HTTP, "nope.example", 80),
    Transfer("refused", Purpose.ADDRESS, Scheme.HTTP, "203.0.113.30", 80),
)


@pytest.mark.parametrize("form", [Form.PARALLEL, Form.SEQUENTIAL, Form.CLASSIC])
async def test_probes_of_every_form_are_read_back(street: World, form: Form) -> None:
    asked = batch(PROBES, Limits(), "secret", form)
    said = await street.run(*asked.argv, stdin=asked.stdin)
    found = read_answers(asked, said.stdout.encode(), said.stderr.encode(), said.exit_code).outcomes
    seen = [(a.transfer.id, a.exit_code, a.status, a.remote_ip, a.remote_port) for a in found if isinstance(a, Answer)]
    assert seen == [
        ("alias", 0, 200, "203.0.113.10", 80),
        ("address", 0, 301, "198.51.100.27", 443),
        ("tcp", 0, 0, "203.0.113.20", 443),
        ("nothing", 6, 0, "", 0),
        ("refused", 7, 0, "", 0),
    ]


# --- what it may do --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        "-O", "--remote-name", "-o/tmp/x", "-D/tmp/x", "-T/etc/passwd", "-F=a=@/etc/passwd", "-d@/etc/passwd",
        "--data-binary=@/etc/passwd", "-H@/etc/passwd", "-w@/etc/passwd", "-w%output{/tmp/x}", "-K/etc/passwd",
        "-n", "-b/tmp/x", "-c/tmp/x", "-xhttp://proxy", "--unix-socket=/x", "--cacert=/etc/passwd", "-E/etc/passwd",
        "--stderr=/tmp/x", "--trace=/tmp/x", "--url=@/etc/passwd", "--proto=file", "--interface=lo", "--foo", "-6",
    ],
)  # fmt: skip
async def test_what_could_touch_the_host_is_refused(street: World, argv: str) -> None:
    words = argv.split("=", 1) if argv.startswith("--") else [argv]
    said = await street.run("curl", *words, "http://httpbin.org/")
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr.startswith("curl: option -")
    assert said.stderr.endswith("\ncurl: try 'curl --help' or 'curl --manual' for more information\n")


async def test_a_file_url_is_not_read(street: World) -> None:
    said = await street.run("curl", "-sS", "file:///etc/passwd")
    assert (said.exit_code, said.stdout) == (1, "")


async def test_nothing_of_the_hosts_configuration_counts(
    street: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".curlrc").write_text('user-agent = "mine"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CURL_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    said = await street.run("curl", "-sS", "http://httpbin.org/headers")
    assert json.loads(said.stdout)["headers"]["User-Agent"][0].startswith("curl/")


async def test_the_version_is_the_hosts(street: World) -> None:
    said = [await street.run("curl", word) for word in ("--version", "-V")]
    assert [(one.exit_code, one.stdout.partition(" ")[0]) for one in said] == [(0, "curl")] * 2
    assert (await street.run("curl")).exit_code == 2


@pytest.mark.parametrize("words", [["-m"], ["--max-time"], ["-sSm"]])
def test_a_value_that_is_missing_is_said(words: list[str]) -> None:
    with pytest.raises(CurlRefused, match="requires parameter"):
        blocks(words, "")


def test_short_options_config_and_next_are_understood() -> None:
    config = '# ours\nurl = "http://a/"\nheader = "X: \\"1\\""\nsilent\nnext\nurl http://b/\n'
    assert blocks(["-sSm5", "-XPOST", "-K", "-", "--no-progress-meter", "http://c/"], config) == (
        (
            Option("silent"),
            Option("show-error"),
            Option("max-time", "5"),
            Option("request", "POST"),
            Option("url", "http://a/"),
            Option("header", 'X: "1"'),
            Option("silent"),
        ),
        (Option("url", "http://b/"), Option("no-progress-meter"), Option("url", "http://c/")),
    )


def test_what_is_handed_to_curl_is_what_was_understood() -> None:
    every = ((Option("url", "http://a/"), Option("data", 'a"\\\n\t\r#')), (Option("silent"),))
    assert blocks(["-K", "-"], config_text(every)) == every


# --- its end ---------------------------------------------------------------------------------------------------------


async def test_a_cancelled_exec_ends_curl(street: World, monkeypatch: pytest.MonkeyPatch) -> None:
    started: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()
    start = asyncio.create_subprocess_exec

    async def noted(*argv: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*argv, **options)
        started.set_result(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    running = asyncio.create_task(street.run("curl", "-sS", "http://203.0.113.99/"))
    process = await started
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert process.returncode == -signal.SIGKILL
