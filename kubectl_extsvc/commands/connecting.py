"""kubectl's connection flags, and the way from them to a cluster."""

import argparse
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kubectl_extsvc.commands.parsing import Parser, say
from kubectl_extsvc.errors import cause_of

if TYPE_CHECKING:
    from anyio import CancelScope
    from anyio.abc import TaskStatus

    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.cluster.kubeconfig import Connection, ConnectionFlags

T = TypeVar("T")


def add_connection_flags(parser: argparse.ArgumentParser) -> None:
    """--context, -n and the others, as every kubectl command has them."""
    if not isinstance(parser, Parser):
        raise TypeError("connection flags need kubectl's parser")
    parser.add_argument("-n", "--namespace", help="If present, the namespace scope for this CLI request.")
    group = parser.add_argument_group("connection options")
    group.add_argument("--kubeconfig", help="Path to the kubeconfig file to use for CLI requests.")
    group.add_argument("--context", help="The name of the kubeconfig context to use.")
    group.add_argument("--cluster", help="The name of the kubeconfig cluster to use.")
    group.add_argument("--user", help="The name of the kubeconfig user to use.")
    group.add_argument("-s", "--server", help="The address and port of the Kubernetes API server.")
    group.add_argument("--token", help="Bearer token for authentication to the API server.")
    group.add_argument("--as", dest="impersonate_user", metavar="USER", help="Username to impersonate.")
    group.add_argument("--as-group", dest="impersonate_groups", action="append", default=[], metavar="GROUP",
                       help="Group to impersonate; may be repeated.")  # fmt: skip
    group.add_argument("--as-uid", dest="impersonate_uid", metavar="UID", help="UID to impersonate.")
    group.add_argument("--certificate-authority", help="Path to a cert file for the certificate authority.")
    group.add_argument("--client-certificate", help="Path to a client certificate file for TLS.")
    group.add_argument("--client-key", help="Path to a client key file for TLS.")
    group.add_argument("--tls-server-name", help="Server name to use for server certificate validation.")
    group.add_argument("--insecure-skip-tls-verify", action="store_true", default=False,
                       help="The server's certificate is not checked. This makes your connection insecure.")  # fmt: skip
    group.add_argument("--request-timeout", default=None, metavar="TIME",
                       help="How long to wait for a single server request: 30, 30s, 2m. 0 means no limit.")  # fmt: skip


def connection_of(args: argparse.Namespace) -> "Connection":
    """The connection that flags, environment and kubeconfig files name together."""
    from kubectl_extsvc.cluster.kubeconfig import resolve

    return resolve(connection_flags(args), os.environ, Path.home())


def connection_flags(args: argparse.Namespace) -> "ConnectionFlags":
    """What add_connection_flags has read. Raises UsageError for a bad time."""
    from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, parse_request_timeout

    timeout = parse_request_timeout(args.request_timeout) if args.request_timeout is not None else None
    names = (
        "kubeconfig", "context", "cluster", "user", "namespace", "server", "token", "tls_server_name",
        "certificate_authority", "client_certificate", "client_key", "impersonate_user", "impersonate_uid",
    )  # fmt: skip
    return ConnectionFlags(
        **{name: getattr(args, name) for name in names if getattr(args, name, None) is not None},
        insecure_skip_tls_verify=args.insecure_skip_tls_verify,
        impersonate_groups=tuple(args.impersonate_groups),
        request_timeout=timeout,
    )


def with_cluster(args: argparse.Namespace, story: "Callable[[Cluster], Awaitable[T]]") -> T:
    """Connect, run one story to its end, and show the server's warnings."""
    from kubectl_extsvc.cluster.client import connect

    connection = connection_of(args)

    async def run() -> T:
        async with connect(connection) as cluster:
            try:
                return await story(cluster)
            finally:
                for warning in cluster.warnings:
                    say(f"Warning: {warning}")

    return until_interrupted(run)


def until_interrupted(story: "Callable[[], Awaitable[T]]") -> T:
    """Run one story to its end, or until Ctrl-C. Raises KeyboardInterrupt after the latter, when all is cleaned up."""
    import anyio

    async def run() -> T:
        done: list[T] = []
        async with anyio.create_task_group() as group:
            await group.start(_cancel_on_interrupt, group.cancel_scope)
            done.append(await story())
            group.cancel_scope.cancel()
        if not done:
            raise KeyboardInterrupt
        return done[0]

    try:
        return anyio.run(run)
    except BaseExceptionGroup as group:
        raise cause_of(group) from group


async def _cancel_on_interrupt(scope: "CancelScope", *, task_status: "TaskStatus[None]") -> None:
    """Cancel scope at the first Ctrl-C; the second one is Python's again.

    asyncio's own answer to Ctrl-C, Task.cancel(), does not respect anyio's shields: a write would be torn from its
    answer, and what it created could not be taken back.
    """
    import anyio

    with anyio.open_signal_receiver(signal.SIGINT) as interrupts:
        task_status.started()
        async for _ in interrupts:
            scope.cancel()
            return


def wants_color(args: argparse.Namespace) -> bool:
    """Colour on a terminal, unless NO_COLOR or TERM=dumb ask for none; FORCE_COLOR asks for it (no-color.org)."""
    wanted = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
    return wanted and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
