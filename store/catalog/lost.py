"""Detects a lost catalog: saved state of partitions shows that there was one.

The catalog is durable before anything of a table is saved. So if there is saved state and no catalog, it is lost;
without it no table would be known, so that the store must not start.
"""

from __future__ import annotations

from store import layout
from store.errors import StoreFormatError
from store.objects.objects import Objects


def refuse_lost_catalog(objects: Objects) -> None:
    """Raise StoreFormatError if there is no catalog although there is saved state of partitions."""
    if objects.list(layout.CATALOG):
        return
    left = objects.list(layout.STATE)
    if left:
        raise StoreFormatError(
            f"{objects.url}/{layout.CATALOG} is missing, and there were workers: {left[0]}. Put it back from a backup, "
            "or move the magnetic tier away to start without data: without it no table is known"
        )
