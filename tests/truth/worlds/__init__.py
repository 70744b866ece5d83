"""All worlds: those that are broken, by the stage at which the cause lies, and those that are well."""

from truth.world import World
from truth.worlds import endpoints, healthy, http, mesh_binding, names, path, tls

BROKEN: tuple[World, ...] = tuple(
    world for family in (names, endpoints, mesh_binding, tls, http, path) for world in family.WORLDS
)
HEALTHY: tuple[World, ...] = tuple(healthy.WORLDS)
WORLDS = BROKEN + HEALTHY
