"""Carries out a DELETE of a table: its rows leave both tiers, and nothing that readers use keeps them.

The rows stored before it are committed first, so that all are in files. Files that have some are replaced by files
without them, then chunks in RAM by chunks without them. The last commit has the offset of the DELETE as position: so it
is done, and a replay skips it then, as a record, or repeats it. What is kept of files and chunks (rollups, statistics)
goes with them, and readers that know an older version are told to look for this one.

It takes a pass of the maintenance or many, file by file: other tables are flushed meanwhile, and files of this one may
be merged. Its later rows are flushed once it is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from store.errors import QueryFailed
from store.magnetic.tier import Version
from store.table.core import Core
from store.table.deleted_chunks import DeletedChunks
from store.table.deleted_files import DeletedFiles
from store.table.deletions import Deleted, Deletion
from store.table.flush import flush
from store.table.last_times import LastTimes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class When:
    """The moment of a pass of the maintenance: offsets applied, monotonic time, rows of the store so far."""

    advanced: Mapping[str, int]
    now_ns: int
    store_rows: int


def carry_out(core: Core, when: When, is_there: Callable[[], bool], has_time: Callable[[], bool]) -> bool:
    """Carry out the DELETEs up to the offsets applied, in their order; returns whether none of them is left.

    `is_there` returns whether the table still exists, `has_time` whether to go on: if not, what is left is done in the
    next pass. Something is done in each. Raises Fenced, MagneticConflict, MagneticUnavailable: what is
    left is tried again in the next pass.
    """
    for deletion in list(core.deletions):
        if deletion.offset > when.advanced.get(core.own_partition, -1):
            return True
        flush(core, _upto(core, when, deletion.offset - 1), when.now_ns, when.store_rows, is_there)
        if not is_there():
            return False
        fault = _delete(core, deletion, has_time)
        if fault is None:
            return False
        with core.lock:
            core.deletions.remove(deletion)
            core.progress.flushed(_upto(core, when, deletion.offset), when.now_ns, when.store_rows)
        if fault:
            told = fault.partition("\n")[0]
            what = "nothing" if deletion.rows is None else "perhaps some of its rows"
            log.error("%s: the DELETE at offset %d failed, and deleted %s: %s", core.id, deletion.offset, what, told)
            deletion.tell(Deleted(0, fault))
        else:
            log.warning("%s: the DELETE at offset %d deleted %d rows", core.id, deletion.offset, deletion.rows)
            core.deleted.append(deletion)
    return True


def tell(core: Core) -> None:
    """Say of DELETEs that they are done: of those that purge, when the files of earlier versions are gone."""
    if any(deletion.is_purge for deletion in core.deleted) and not _purge(core):
        return
    for deletion in core.deleted:
        deletion.tell(Deleted(deletion.rows))
    core.deleted.clear()


def _upto(core: Core, when: When, offset: int) -> dict[str, int]:
    return {**when.advanced, core.own_partition: offset}


def _delete(core: Core, deletion: Deletion, has_time: Callable[[], bool]) -> str | None:
    """Delete the rows, which are all in files, as far as the time goes.

    Returns "" if that is done, None if it has to go on, or why it is impossible.
    """
    core.refresh_magnetic()
    files, chunks, series = DeletedFiles(core, deletion), DeletedChunks(core, deletion), LastTimes(core)
    try:
        if not files.find(has_time):
            return None
        series.find(deletion)
    except QueryFailed as error:  # the condition fails on the data, or there is too little memory
        _commit_position(core, deletion.offset)
        return str(error)
    if not (files.rewrite(has_time) and chunks.replace_sealed(has_time)):
        return None
    series.look_in_files()
    series.save(deletion.offset, is_purge=deletion.is_purge)
    version = _commit_position(core, deletion.offset)
    with core.lock:
        core.magnetic.version = version
        core.evicted_through = max(core.evicted_through, deletion.offset)
        if not core.is_dropped:
            chunks.replace_others()
            series.settle()
            core.lasts.forget()
    return ""


def _commit_position(core: Core, offset: int) -> Version:
    with core.lock:
        columns = core.columns.stored.stored()
    return core.magnetic.commit([], [], columns, {core.own_partition: offset}, is_new_data=True)


def _purge(core: Core) -> bool:
    """Delete the files that only earlier versions have; returns whether no query of this process reads one of them."""
    with core.lock:
        needed = {file.path for version in core.versions_in_use() for file in version.files}
    removed = core.magnetic.removed_files() & core.magnetic.data.paths()
    for path in removed - needed:
        core.magnetic.data.delete(path)
        core.unused_since_ns.pop(path, None)
    return not removed & needed
