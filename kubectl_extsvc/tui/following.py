"""Connect and follow: what goes on beside every live face."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from kubectl_extsvc.errors import ExtsvcError, cause_of
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.live import LiveEvent, Lost

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.cluster.kubeconfig import Connection
    from kubectl_extsvc.operations.ephemeral import Consent
    from kubectl_extsvc.operations.living import Live
    from kubectl_extsvc.operations.wishes import LiveWishes

FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds until a connection that cannot be made is tried again; doubled each time."""


async def follow(
    connection: "Connection",
    wishes: "LiveWishes",
    tell: Callable[[LiveEvent], None],
    say: Callable[[str], None],
    connected: "Callable[[Cluster, Live], None]",
    consent: "Consent | None" = None,
) -> None:
    """Connect and follow until cancelled; a connection that cannot be made is told as Lost and tried again.

    consent is asked before anything is added to a pod; None: there is nobody to ask.
    """
    delay = FIRST_DELAY
    while True:
        # Imported with the face already there: it takes a tenth of a second.
        from kubectl_extsvc.cluster.client import connect
        from kubectl_extsvc.operations.living import Live

        try:
            async with connect(connection) as cluster:
                live = Live(cluster, wishes, tell, say, *([consent] if consent is not None else []))
                connected(cluster, live)
                await live.run()
        except* ExtsvcError as errors:
            now = time.time()
            tell(Lost(now, one_line(str(cause_of(errors))), now + delay))
        await anyio.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY)
