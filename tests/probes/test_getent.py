import shutil
import subprocess

import pytest

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.probes.getent import getent_addresses, getent_command

HOSTS = ("httpbin.org", "nope.example", "en.wikipedia.org")
# As glibc prints it in a pod; the last host has a canonical name and an IPv6 address.
GLIBC = """127.249.0.0     STREAM 127.249.0.0
127.249.0.0     DGRAM  
127.249.0.0     RAW    
203.0.113.10    STREAM httpbin.org
203.0.113.10    DGRAM  
203.0.113.10    RAW    
127.249.0.1     STREAM 127.249.0.1
127.249.0.1     DGRAM  
127.249.0.1     RAW    
127.249.0.2     STREAM 127.249.0.2
127.249.0.2     DGRAM  
127.249.0.2     RAW    
198.51.100.26   STREAM dyna.wikimedia.org
198.51.100.26   DGRAM  
198.51.100.26   RAW    
2001:DB8::26    STREAM 
198.51.100.27   STREAM 
127.249.0.3     STREAM 127.249.0.3
127.249.0.3     DGRAM  
127.249.0.3     RAW    
"""  # noqa: W291
# Made up: a getent that ends at the first host that it does not find.
STOPPING = "127.249.0.0       127.249.0.0\n203.0.113.10      httpbin.org\n127.249.0.1       127.249.0.1\n"


def test_names_stand_between_literal_addresses_as_they_are() -> None:
    assert getent_command(("my-pay.shop", "a.test.")) == (
        "getent", "ahosts", "127.249.0.0", "my-pay.shop", "127.249.0.1", "a.test.", "127.249.0.2",
    )  # fmt: skip


def test_addresses_go_to_the_host_that_was_asked_for_whatever_its_canonical_name() -> None:
    assert getent_addresses(HOSTS, GLIBC, 2) == {
        "httpbin.org": ("203.0.113.10",),
        "nope.example": (),
        "en.wikipedia.org": ("198.51.100.26", "2001:db8::26", "198.51.100.27"),
    }


def test_hosts_behind_the_one_that_ended_the_lookup_are_not_known() -> None:
    assert getent_addresses(HOSTS, STOPPING, 2) == {"httpbin.org": ("203.0.113.10",), "nope.example": ()}


def test_a_lost_stream_does_not_make_a_host_unresolvable() -> None:
    assert getent_addresses(HOSTS, STOPPING, None) == {"httpbin.org": ("203.0.113.10",)}


@pytest.mark.parametrize(
    "stdout", ["", "\n\n", "getent: unknown database\n", "\x1b[1m 127.249.0.9\n", "203.0.113.1 STREAM\n"]
)
def test_noise_says_nothing_about_any_host(stdout: str) -> None:
    assert getent_addresses(HOSTS, stdout, 2) == {}


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "-x", "a b", "", "1.2"])
def test_only_host_names_are_looked_up(host: str) -> None:
    with pytest.raises(UsageError):
        getent_command((host,))


@pytest.mark.skipif(shutil.which("getent") is None, reason="no getent")
def test_the_machines_getent_is_read() -> None:
    done = subprocess.run(getent_command((f"{'x' * 64}.test", "localhost")), capture_output=True, text=True)
    found = getent_addresses(("none", "localhost"), done.stdout, done.returncode)
    assert found["none"] == ()
    assert set(found.get("localhost", ("127.0.0.1",))) <= {"127.0.0.1", "::1"}
