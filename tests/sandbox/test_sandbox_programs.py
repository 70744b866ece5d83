"""Commands in a pod other than curl."""

from collections.abc import AsyncIterator

import pytest
from sandbox.pods_world import CURL, PROXY, Said, World, pod, service, world

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.probes import nslookup, resolv_conf
from kubectl_extsvc.probes.getent import getent_addresses, getent_command
from kubectl_extsvc.probes.resolv_conf import resolv_conf_of
from kubectl_extsvc.sandbox.api.exec_socket import NoSuchExecutable
from kubectl_extsvc.sandbox.pods.programs import SidecarUnavailable


@pytest.fixture
async def street() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def test_resolv_conf_is_the_namespaces(street: World) -> None:
    said = await street.run("cat", "/etc/resolv.conf", in_pod=pod(namespace="without-istio"))
    assert said == Said(
        0,
        "search without-istio.svc.cluster.local svc.cluster.local cluster.local\n"
        "nameserver 10.96.0.10\noptions ndots:5\n",
    )


async def test_no_other_file_is_there(street: World) -> None:
    assert await street.run("cat", "/etc/passwd") == Said(
        1, "", "cat: can't open '/etc/passwd': No such file or directory\n"
    )


async def test_trivial_commands_do_what_they_are_for(street: World) -> None:
    said = [
        await street.run("true"),
        await street.run("/bin/false"),
        await street.run("echo", "a", "b"),
        await street.run("cat", stdin=b"abc"),
    ]
    assert said == [Said(0), Said(1), Said(0, "a b\n"), Said(0, "abc")]


@pytest.mark.parametrize("argv", [["python3"], ["sh"], ["sh", "-c", "curl x; id"], ["sh", "-c", "echo $HOME"], ["rm"]])
async def test_every_other_program_is_not_there(street: World, argv: list[str]) -> None:
    with pytest.raises(NoSuchExecutable) as missing:
        await street.run(*argv)
    assert missing.value.name == argv[0]


async def test_a_container_of_another_image_has_no_curl(street: World) -> None:
    with pytest.raises(NoSuchExecutable):
        await street.run("curl", "http://httpbin.org/", in_pod=pod({**CURL, "image": "nginx"}))


async def test_sh_runs_a_single_command_without_any_shell(street: World) -> None:
    assert await street.run("sh", "-c", "echo 'a  b' c") == Said(0, "a  b c\n")
    assert await street.run("sh", "-c", "nonsense") == Said(127, "", "sh: nonsense: not found\n")


async def test_the_proxy_container_has_pilot_agent_alone(street: World) -> None:
    with pytest.raises(NoSuchExecutable):
        await street.run("curl", "http://httpbin.org/", in_pod=pod(CURL, PROXY), container="istio-proxy")
    said = await street.run("pilot-agent", "wait", in_pod=pod(CURL, PROXY), container="istio-proxy")
    assert said == Said(255, "", 'Error: unknown command "wait" for "pilot-agent"\n')


class Unavailable:
    async def of(self, pod: Json) -> None:
        raise SidecarUnavailable("no Envoy here")


async def test_without_envoy_commands_say_so_and_end() -> None:
    async with world(Unavailable()) as street:
        curl = await street.run("curl", "http://httpbin.org/", in_pod=pod(CURL, PROXY))
        agent = ("pilot-agent", "request", "GET", "ready")
        asked = await street.run(*agent, in_pod=pod(CURL, PROXY), container="istio-proxy")
        log = await street.pods.log(pod(CURL, PROXY), "istio-proxy")
    assert (curl, asked) == (Said(126, "", "sandbox: no Envoy here\n"),) * 2
    assert log == b"sandbox: no Envoy here\n"


async def test_without_sidecars_a_container_has_written_nothing(street: World) -> None:
    assert await street.pods.log(pod(CURL, PROXY), "istio-proxy") == b""


# --- getent and nslookup ---------------------------------------------------------------------------------------------


async def test_getent_hosts_shows_the_canonical_name_first(street: World) -> None:
    assert await street.run("getent", "hosts", "my-httpbin", "nope.example", "my-wikipedia.default") == Said(
        2,
        "203.0.113.10    httpbin.org my-httpbin.default.svc.cluster.local\n"
        "10.96.0.26      my-wikipedia.default.svc.cluster.local\n",
    )


async def test_getent_ahosts_shows_each_address_three_times(street: World) -> None:
    assert await street.run("getent", "ahosts", "en.wikipedia.org") == Said(
        0,
        "198.51.100.26   STREAM en.wikipedia.org\n198.51.100.26   DGRAM  \n198.51.100.26   RAW    \n"
        "198.51.100.27   STREAM \n198.51.100.27   DGRAM  \n198.51.100.27   RAW    \n",
    )


async def test_the_products_lookup_reads_it_back(street: World) -> None:
    hosts = ("httpbin.org", "nope.example", "en.wikipedia.org")
    said = await street.run(*getent_command(hosts))
    assert getent_addresses(hosts, said.stdout, said.exit_code) == {
        "httpbin.org": ("203.0.113.10",),
        "nope.example": (),
        "en.wikipedia.org": ("198.51.100.26", "198.51.100.27"),
    }


async def test_the_products_nslookup_reads_the_way_back(street: World) -> None:
    conf = resolv_conf_of((await street.run(*resolv_conf.COMMAND)).stdout)
    names = ("my-httpbin.default", "nope.example.", "en.wikipedia.org.")
    said = await street.run(*nslookup.command(names, conf), stdin=nslookup.stdin_of(names, conf))
    ways = nslookup.resolutions_in(names, conf, said.stdout.encode(), said.exit_code)
    assert {name: (way.found, way.tries[:-1], way.cnames, way.addresses) for name, way in ways.items()} == {
        "my-httpbin.default": (
            "my-httpbin.default.svc.cluster.local",
            ("my-httpbin.default.default.svc.cluster.local",),
            ("httpbin.org",),
            ("203.0.113.10",),
        ),
        "nope.example.": ("", (), (), ()),
        "en.wikipedia.org.": ("en.wikipedia.org", (), (), ("198.51.100.26", "198.51.100.27")),
    }


async def test_getent_says_what_it_does_not_know(street: World) -> None:
    said = await street.run("getent", "foo", "bar")
    assert said == Said(1, "", "Unknown database: foo\nTry `getent --help' for more information.\n")


SERVER = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n"


async def test_nslookup_shows_cnames_and_addresses(street: World) -> None:
    name = "my-httpbin.default.svc.cluster.local"
    alias = f"{name}\tcanonical name = httpbin.org\n"
    address = "Name:\thttpbin.org\nAddress: 203.0.113.10\n"
    assert await street.run("nslookup", name) == Said(0, f"{SERVER}{alias}{address}\n{alias}\n")


async def test_nslookup_takes_the_search_list_for_bare_names_only(street: World) -> None:
    dotted = "** server can't find my-wikipedia.default: NXDOMAIN\n\n"
    assert await street.run("nslookup", "my-wikipedia.default") == Said(1, f"{SERVER}{dotted}{dotted}")
    bare = await street.run("nslookup", "my-wikipedia")
    assert bare == Said(
        1,
        f"{SERVER}Name:\tmy-wikipedia.default.svc.cluster.local\nAddress: 10.96.0.26\n\n\n"
        + "** server can't find my-wikipedia.svc.cluster.local: NXDOMAIN\n\n" * 2
        + "** server can't find my-wikipedia.cluster.local: NXDOMAIN\n\n" * 2,
    )


async def test_nslookup_of_a_loop_has_nothing_and_says_so_quietly(street: World) -> None:
    service(street.store, "loop", type="ExternalName", externalName="loop.default.svc.cluster.local")
    assert await street.run("nslookup", "loop.default.svc.cluster.local") == Said(0, f"{SERVER}\n\n")


@pytest.mark.parametrize("words", [[], ["-x", "a"], ["203.0.113.10"], ["a", "b"]])
async def test_nslookup_has_a_usage(street: World, words: list[str]) -> None:
    assert await street.run("nslookup", *words) == Said(1, "", "Usage: nslookup HOST\n")
