"""The app and what goes on beside it, under one parent: when the app ends, all of it is taken back."""

import time

import anyio

from kubectl_extsvc.cluster.kubeconfig import Connection
from kubectl_extsvc.errors import ExtsvcError, cause_of
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.live import Lost
from kubectl_extsvc.operations.fixing import WishesOf
from kubectl_extsvc.operations.living import FIRST_DELAY, LONGEST_DELAY, Live, LiveWishes
from kubectl_extsvc.tui.app import ExtsvcApp
from kubectl_extsvc.tui.deeds import Deeds


async def run_beside(app: ExtsvcApp, connection: Connection, wishes: LiveWishes, wishes_of: WishesOf) -> str:
    """Run the app to its end while the cluster is followed; gives its summary. The screen is there before the cluster
    is asked for anything."""
    async with anyio.create_task_group() as group:
        app.tasks = group
        group.start_soon(follow, app, connection, wishes, wishes_of)
        summary = await app.run_async()
        group.cancel_scope.cancel()
    return summary or ""


async def follow(app: ExtsvcApp, connection: Connection, wishes: LiveWishes, wishes_of: WishesOf) -> None:
    """Connect and follow until cancelled; a connection that cannot be made is told as Lost and tried again."""
    delay = FIRST_DELAY
    while True:
        # Imported with the screen already there: it takes a tenth of a second.
        from kubectl_extsvc.cluster.client import connect

        try:
            async with connect(connection) as cluster:
                app.live = Live(cluster, wishes, app.take, app.say)
                app.deeds = Deeds(cluster, app.live, wishes_of)
                await app.live.run()
        except* ExtsvcError as errors:
            now = time.time()
            app.take(Lost(now, one_line(str(cause_of(errors))), now + delay))
        await anyio.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY)
