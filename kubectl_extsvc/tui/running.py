"""The app and what goes on beside it, under one parent: when the app ends, all of it is taken back."""

from typing import TYPE_CHECKING

import anyio

from kubectl_extsvc.tui.app import ExtsvcApp
from kubectl_extsvc.tui.following import follow

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.cluster.kubeconfig import Connection
    from kubectl_extsvc.operations.fixing import WishesOf
    from kubectl_extsvc.operations.living import Live
    from kubectl_extsvc.operations.wishes import LiveWishes


async def run_beside(app: ExtsvcApp, connection: "Connection", wishes: "LiveWishes", wishes_of: "WishesOf") -> str:
    """Run the app to its end while the cluster is followed; gives its summary. The screen is there before the cluster
    is asked for anything."""
    async with anyio.create_task_group() as group:
        app.tasks = group
        group.start_soon(follow_for, app, connection, wishes, wishes_of)
        summary = await app.run_async()
        group.cancel_scope.cancel()
    return summary or ""


async def follow_for(app: ExtsvcApp, connection: "Connection", wishes: "LiveWishes", wishes_of: "WishesOf") -> None:
    """Follow the cluster, and give the app what it acts with, until cancelled. Begins when the screen is there."""
    await app.painted.wait()
    # In a thread, since it takes some tenths of a second, in which keys are heard.
    await anyio.to_thread.run_sync(_load)

    def connected(cluster: "Cluster", live: "Live") -> None:
        from kubectl_extsvc.tui.deeds import Deeds

        app.live, app.deeds = live, Deeds(cluster, live, wishes_of)

    await follow(connection, wishes, app.take, app.say, connected, app.agreed)


def _load() -> None:
    from kubectl_extsvc.operations import living  # noqa: F401
    from kubectl_extsvc.tui import deeds  # noqa: F401
