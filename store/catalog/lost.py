"""A catalog that is lost: what owners of partitions have saved for their successors tells that there was one.

The catalog is durable before anything of a table is. So where it is missing beside that it is lost, and without it no
table would be known: that is refused.
"""

from __future__ import annotations

from store import layout
from store.errors import StoreFormatError
from store.objects.objects import Objects


def refuse_lost_catalog(objects: Objects) -> None:
    """Raise StoreFormatError if there is no catalog, and owners of partitions have saved something."""
    if objects.list(layout.CATALOG):
        return
    left = objects.list(layout.STATE)
    if left:
        raise StoreFormatError(
            f"{objects.url}/{layout.CATALOG} is missing, and there were workers: {left[0]}. Put it back from a backup, "
            "or move the magnetic tier away to begin anew: without it no table is known"
        )
