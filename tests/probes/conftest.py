import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from worlds.probe_servers import Street, street

from kubectl_extsvc.probes.batch import Batch

Printed = tuple[bytes, bytes, int]
"""stdout, stderr, exit code."""

CURLS = [found for found in (shutil.which("curl"), *os.environ.get("EXTSVC_TEST_CURLS", "").split(":")) if found]
"""The machine's curl, and more of them (older, newer) if the environment names any."""


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("street")) as servers:
        yield servers


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Street]:
    """Servers whose certificates are of another CA."""
    with street(tmp_path, "a stranger's CA") as servers:
        yield servers


@pytest.fixture(scope="session", params=CURLS)
def curl(request: pytest.FixtureRequest) -> str:
    """Path of a curl."""
    return str(request.param)


@pytest.fixture(scope="session")
def run(servers: Street, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Batch, str], Printed]:
    """Run a batch as an exec would: no shell, no home directory, a working directory that cannot be written to."""
    bare = tmp_path_factory.mktemp("bare")
    bare.chmod(0o555)

    def run(batch: Batch, program: str = "") -> Printed:
        argv = [program or batch.argv[0], *batch.argv[1:]]
        environment = {
            "PATH": os.environ["PATH"],
            "SSL_CERT_FILE": str(servers.ca_file),
            "http_proxy": "http://127.0.0.1:1",
            "https_proxy": "http://127.0.0.1:1",
            "HOME": str(Path("/nonexistent")),
        }
        done = subprocess.run(argv, input=batch.stdin, capture_output=True, env=environment, cwd=bare, timeout=50)
        return done.stdout, done.stderr, done.returncode

    return run
