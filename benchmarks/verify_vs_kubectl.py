#!/usr/bin/env python3
"""verify against the commands that it stands for, on a real mesh, both in one run.

Compared, interleaved in rounds: `kubectl extsvc verify` of one alias from two sources; one kubectl or istioctl command
for each question that it answers, one after the other; and the same commands all started at once. Printed are medians,
ratios and peak resident memory, then the same memory against a proxy with 2,000 more clusters. Exit 1 beyond a budget.

    eval "$(tests/testbed/testbed up)" && .venv/bin/python benchmarks/verify_vs_kubectl.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

ALIAS = "my-httpbin"
HOST = f"{ALIAS}.default.svc.cluster.local"
SIDECAR = ["-n", "default", "deploy/curl", "-c", "curl"]
PLAIN = ["-n", "without-istio", "deploy/curl", "-c", "curl"]
CROWD = "extsvc-bench"

BUDGETS = {"one after the other": 2.0, "all at once": 1.0}
"""Commands → how many times as long as verify they must take at least."""
MEMORY_BUDGET_MIB = 60.0


@dataclass(frozen=True)
class Run:
    seconds: float
    rss_mib: float
    """Peak resident set of the largest process."""


def questions(proxy: str) -> list[list[str]]:
    """What verify answers, one command each."""
    return [
        ["kubectl", "get", "service", ALIAS, "-o", "yaml"],
        ["kubectl", "get", "pods", "-A", "-l", "app=curl", "-o", "wide"],
        ["kubectl", "exec", *SIDECAR, "--", "getent", "hosts", HOST],
        ["kubectl", "exec", *PLAIN, "--", "getent", "hosts", HOST],
        ["kubectl", "exec", *SIDECAR, "--", "curl", "-sS", "-i", f"http://{HOST}/"],
        ["kubectl", "exec", *PLAIN, "--", "curl", "-sS", "-i", f"http://{HOST}/"],
        ["kubectl", "get", "destinationrules,virtualservices,serviceentries", "-A", "-o", "yaml"],
        ["istioctl", "proxy-config", "listener", proxy, "--port", "80", "-o", "json"],
        ["istioctl", "proxy-config", "route", proxy, "--name", "80", "-o", "json"],
        ["istioctl", "proxy-config", "cluster", proxy, "-o", "json"],
        ["istioctl", "proxy-config", "endpoint", proxy, "-o", "json"],
    ]


def start(argv: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def end(process: subprocess.Popen[bytes]) -> float:
    """Wait, insist on success, and give the peak resident set in MiB."""
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, process.args))} ended with {process.returncode}: {errors.decode()}")  # type: ignore[arg-type]
    return usage.ru_maxrss / 1024


def verify() -> Run:
    begun = time.perf_counter()
    rss = end(start(["kubectl-extsvc", "verify", ALIAS]))
    return Run(time.perf_counter() - begun, rss)


def one_after_the_other(commands: list[list[str]]) -> Run:
    begun = time.perf_counter()
    rss = max(end(start(argv)) for argv in commands)
    return Run(time.perf_counter() - begun, rss)


def all_at_once(commands: list[list[str]]) -> Run:
    begun = time.perf_counter()
    running = [start(argv) for argv in commands]
    rss = max(end(process) for process in running)
    return Run(time.perf_counter() - begun, rss)


def kubectl(*argv: str, stdin: str | None = None) -> str:
    return subprocess.run(["kubectl", *argv], input=stdin, check=True, capture_output=True, text=True).stdout


def crowd(services: int) -> None:
    """Two more clusters in every proxy for each of these Services."""
    kubectl("create", "namespace", CROWD)
    ports = [{"name": "http", "port": 80}, {"name": "tcp", "port": 443}]
    items = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"crowd-{number}", "namespace": CROWD},
            "spec": {"selector": {"app": "none"}, "ports": ports},
        }
        for number in range(services)
    ]
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def clusters_of(proxy: str) -> int:
    listed = subprocess.run(["istioctl", "proxy-config", "cluster", proxy], check=True, capture_output=True, text=True)
    return len(listed.stdout.splitlines()) - 1


def main() -> int:
    parser = argparse.ArgumentParser(description="verify against the commands that it stands for")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--crowd", type=int, default=1000, help="Services for the memory run; 0 leaves it out")
    args = parser.parse_args()

    pod = kubectl("get", "pod", "-l", "app=curl", "-o", "jsonpath={.items[0].metadata.name}").strip()
    proxy = f"{pod}.default"
    ways = {
        "verify": verify,
        "one after the other": lambda: one_after_the_other(questions(proxy)),
        "all at once": lambda: all_at_once(questions(proxy)),
    }
    subprocess.run(["kubectl-extsvc", "create", "--external-name", "httpbin.org", "--wait"], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    failures = []
    try:
        for way in ways.values():
            way()  # page cache and .pyc files
        runs: dict[str, list[Run]] = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, way in ways.items():
                runs[name].append(way())
        base = statistics.median(run.seconds for run in runs["verify"])
        print(f"{'way':22} {'median s':>9} {'min':>6} {'max':>6} {'ratio':>6} {'peak RSS MiB':>13}")
        for name, measured in runs.items():
            seconds = [run.seconds for run in measured]
            median = statistics.median(seconds)
            rss = max(run.rss_mib for run in measured)
            print(f"{name:22} {median:9.3f} {min(seconds):6.3f} {max(seconds):6.3f} {median / base:6.2f} {rss:13.1f}")
            if median / base < BUDGETS.get(name, 0):
                failures.append(f"{name}: {median / base:.2f} times verify's time, budget {BUDGETS[name]}")
        memory = max(run.rss_mib for run in runs["verify"])
        if memory > MEMORY_BUDGET_MIB:
            failures.append(f"peak RSS {memory:.1f} MiB, budget {MEMORY_BUDGET_MIB}")
        if args.crowd:
            crowd(args.crowd)
            while (count := clusters_of(proxy)) < 2 * args.crowd:
                time.sleep(1)
            crowded = [verify() for _ in range(3)]
            memory = max(run.rss_mib for run in crowded)
            seconds = statistics.median(run.seconds for run in crowded)
            print(f"verify, {count} clusters in the proxy: {seconds:.3f} s, peak RSS {memory:.1f} MiB")
            if memory > MEMORY_BUDGET_MIB:
                failures.append(f"peak RSS {memory:.1f} MiB with {count} clusters, budget {MEMORY_BUDGET_MIB}")
    finally:
        if args.crowd:
            kubectl("delete", "namespace", CROWD, "--ignore-not-found")
        subprocess.run(["kubectl-extsvc", "delete", ALIAS], check=True, stdout=subprocess.DEVNULL)
    for failure in failures:
        print(f"over budget: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
