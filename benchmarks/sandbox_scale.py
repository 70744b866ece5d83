#!/usr/bin/env python3
"""How fast a large sandbox is there, and what it costs to watch all of it.

Started is `kubectl extsvc sandbox --scenario large`: 50 namespaces with 20 aliases and a pod each. Measured are the
seconds from the start of the process until it says that it is there, beside `kubectl extsvc --help` in the same run;
then its CPU seconds while watches on all services, slices, pods and rules are open and nothing happens. Exit 1 beyond a
budget.

    .venv/bin/python benchmarks/sandbox_scale.py [--seconds 60]
"""

import argparse
import asyncio
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import yaml

OURS = [sys.executable, "-m", "kubectl_extsvc"]
WATCHED = {
    "/api/v1/services": 1002,
    "/apis/discovery.k8s.io/v1/endpointslices": 500,
    "/api/v1/pods": 52,
    "/apis/networking.istio.io/v1/destinationrules": 0,
}
"""Path → objects that are there at least."""
START_BUDGET_SECONDS = 2.0
IDLE_BUDGET_PERCENT = 1.0


def started() -> tuple[subprocess.Popen[str], float, str]:
    """The process, the seconds until it was there, and its kubeconfig."""
    begun = time.perf_counter()
    process = subprocess.Popen([*OURS, "sandbox", "--scenario", "large"], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, time.perf_counter() - begun, line.strip().removeprefix("export KUBECONFIG=")


def help_seconds() -> float:
    begun = time.perf_counter()
    subprocess.run([*OURS, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watched(config: Any, pid: int, seconds: float) -> float:
    """CPU seconds that the process takes while everything is watched and nothing happens."""
    cluster = config["clusters"][0]["cluster"]
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=cluster["certificate-authority"]))
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    async with (
        aiohttp.ClientSession(cluster["server"], headers=headers, connector=trust) as session,
        asyncio.TaskGroup() as group,
    ):
        answers = []
        for path, least in WATCHED.items():
            async with session.get(path) as listed:
                body = await listed.json()
            assert len(body["items"]) >= least, (path, len(body["items"]))
            query = {"watch": "1", "resourceVersion": body["metadata"]["resourceVersion"], "allowWatchBookmarks": "1"}
            answers.append(await session.get(path, params=query, timeout=aiohttp.ClientTimeout(total=None)))
        readers = [group.create_task(answer.read()) for answer in answers]
        before = cpu_seconds(pid)
        await asyncio.sleep(seconds)
        spent = cpu_seconds(pid) - before
        for reader in readers:
            reader.cancel()
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long nothing happens")
    args = parser.parse_args()

    light = help_seconds()
    process, until_there, kubeconfig = started()
    try:
        config = yaml.safe_load(Path(kubeconfig).read_text())
        idle = asyncio.run(watched(config, process.pid, args.seconds)) / args.seconds * 100
    finally:
        process.terminate()
        process.wait(timeout=20)
    print(f"1000 aliases and 50 pods there after   {until_there:5.2f} s   {until_there / light:4.1f} × --help"
          f"   (budget {START_BUDGET_SECONDS:g} s)")  # fmt: skip
    print(f"CPU while all is watched and idle      {idle:5.2f} %   over {args.seconds:g} s"
          f"   (budget {IDLE_BUDGET_PERCENT:g} %)")  # fmt: skip
    return int(until_there > START_BUDGET_SECONDS or idle > IDLE_BUDGET_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
