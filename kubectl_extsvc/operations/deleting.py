"""delete: exactly what was made for an alias, and gone when we say so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, TimedOut
from kubectl_extsvc.model.plan import Action, Change, Plan

POLL_SECONDS = 0.1
AT_ONCE = 8
"""Requests at the same time while waiting."""


@dataclass(frozen=True, slots=True)
class DeleteWishes:
    dry_run: str
    """none, client or server."""
    wait: bool
    timeout: float
    """Seconds until waiting is given up."""


async def carry_out_deletion(
    cluster: Cluster, plan: Plan, wishes: DeleteWishes, done: Callable[[Change], None]
) -> None:
    """Delete in the plan's order, each with its UID as precondition; done is told of each object.

    An object that went by itself meanwhile (with its owner) counts as deleted. Raises TimedOut if objects are still
    there at the deadline.
    """
    changes = [change for change in plan.changes if change.action is Action.DELETE]
    for change in changes:
        if wishes.dry_run != "client":
            try:
                await cluster.delete(change.resource, change.ref.namespace, change.ref.name, uid=change.uid,
                                     dry_run=wishes.dry_run == "server")  # fmt: skip
            except ApiError as error:
                # 409: another object of that name by now; ours has gone.
                if error.code not in (404, 409):
                    raise
        done(change)
    if wishes.dry_run == "none" and wishes.wait:
        await wait_until_gone(cluster, changes, wishes.timeout)


async def wait_until_gone(cluster: Cluster, changes: Sequence[Change], timeout: float) -> None:
    """Until no object has the UID that its change names; a new object of the same name counts as gone."""
    left = list(changes)
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def look(change: Change) -> None:
        async with limit:
            try:
                there = await cluster.get(change.resource, change.ref.namespace, change.ref.name)
            except ApiError as error:
                if error.code != 404:
                    raise
                left.remove(change)
            else:
                if change.uid and there["metadata"]["uid"] != change.uid:
                    left.remove(change)

    with anyio.move_on_after(timeout):
        while True:
            async with anyio.create_task_group() as group:
                for change in tuple(left):
                    group.start_soon(look, change)
            if not left:
                return
            await anyio.sleep(POLL_SECONDS)
    still = ", ".join(str(change.ref) for change in left)
    raise TimedOut(f"timed out waiting for the condition on {still}: deleted, but not gone after {timeout:g} s "
                   "(a finalizer holds them)")  # fmt: skip
