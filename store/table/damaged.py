"""Removes damaged files of the magnetic tier from a table: their rows are gone, and the rest goes on."""

from __future__ import annotations

from store.objects.damage import Outcome, report
from store.table.core import Core
from store.values.times import rfc3339


def has_damaged(core: Core) -> bool:
    """Whether files of the current version are known to be damaged."""
    return bool(core.magnetic.data.damaged(core.magnetic.version.files))


def drop_damaged(core: Core) -> bool:
    """Remove the damaged files of the newest version; returns whether there were any.

    Raises Fenced, MagneticConflict, MagneticUnavailable.
    """
    core.refresh_magnetic()
    damaged = core.magnetic.data.damaged(core.magnetic.version.files)
    if not damaged:
        return False
    with core.lock:
        core.add_registered_columns()
        columns = core.columns.stored.stored()
    version = core.magnetic.commit((), [file for file, _ in damaged], columns, {}, is_new_data=True)
    with core.lock:
        core.magnetic.version = version
    for file, fault in damaged:
        place = core.magnetic.data.set_aside(file.path)
        span = f"{rfc3339(file.from_ns, 3)} to {rfc3339(file.to_ns, 3)}"
        report(
            "parquet",
            f"{core.magnetic}/{file.path}: {fault}; {file.rows} rows of {core.id}, {span}, are lost; {place}; to have "
            "them back, restore the magnetic tier from a backup",
            Outcome.LOST,
        )
    return True
