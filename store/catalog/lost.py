"""A catalog that is not there: it never was, or it is lost. Files of tables tell, and nothing else does.

The catalog is durable before a table has any file, but after the positions of partitions that brought no record yet. So
where it is missing beside files of tables it is lost, and without it no table would be known: that is refused. Where
no table has a file, there was none, however far the stream was read: the store begins, or goes on, without tables.
"""

from __future__ import annotations

import logging
from pathlib import Path

from store import layout
from store.errors import StoreFormatError
from store.objects.location import S3Location
from store.objects.objects import Objects
from store.state import pending_rows
from store.state.pending_rows import PendingRowsFile

log = logging.getLogger(__name__)

_COMMITS = f"[!_.]*/*/*/{layout.DELTA_LOG}/*.json"


def refuse_lost_catalog(folder: Path, magnetic: Path | S3Location) -> None:
    """Raise StoreFormatError if the store in `folder` had tables, and has no catalog any more."""
    if (folder / layout.CATALOG).exists():
        return
    found = _first(folder / layout.SERIES, "*/*/*/*")
    if found is None and pending_rows.load(PendingRowsFile(folder / layout.PENDING_ROWS)):
        found = folder / layout.PENDING_ROWS
    lies_beside = None if isinstance(magnetic, S3Location) else _first(magnetic, _COMMITS)
    if found is None and (folder / layout.POSITIONS).exists():
        found = lies_beside
    if found is not None:
        raise StoreFormatError(
            f"{folder / layout.CATALOG} is missing, and there were tables: {found}. Put it back from a backup, or move "
            f"{folder} and the magnetic tier away to begin anew: without it no table is known"
        )
    if lies_beside is not None:
        log.warning(
            "%s is new, and the magnetic tier has tables (%s): those of the configuration are taken up with their rows",
            folder,
            lies_beside,
        )


def refuse_lost_shared_catalog(objects: Objects) -> None:
    """Raise StoreFormatError if owners of partitions have left something for their successors, and there is no
    catalog.
    """
    if objects.list(layout.SHARED_CATALOG):
        return
    left = objects.list(layout.SHARED_STATE)
    if left:
        where = f"{objects.url}/{layout.SHARED_CATALOG}"
        raise StoreFormatError(
            f"{where} is missing, and there were workers: {left[0]}. Put it back from a backup, or move the magnetic "
            "tier away to begin anew: without it no table is known"
        )


def _first(root: Path, pattern: str) -> Path | None:
    return next(iter(sorted(root.glob(pattern))), None)
