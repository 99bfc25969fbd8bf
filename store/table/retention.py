"""The end of a row's life: older than the memory and magnetic retention of its table together.

Such rows are invisible to snapshots at once (`TableView.visible_from_ns`); here they leave both tiers, whole files and
chunks at a time.
"""

from __future__ import annotations

import logging

from store.catalog.catalog import TableSettings
from store.errors import MagneticConflict
from store.host_time import NO_CLOCK_BEFORE_NS
from store.table.core import Core

log = logging.getLogger(__name__)


def retain(core: Core, settings: TableSettings, now_ns: int, *, is_compaction_leader: bool = True) -> int:
    """Take files and sealed chunks without a visible row out of the table; how many files went.

    `now_ns` is a time to delete by (`store.host_time.Settled`).

    Files are left alone by whoever is not their owner, and those of a host that had no clock by everybody.
    None where another writer takes files out too: the next pass sees what is left.
    """
    oldest_ns = now_ns - settings.retention_ns
    version = core.magnetic.version
    files = version.files if is_compaction_leader else ()
    expired = [file for file in files if NO_CLOCK_BEFORE_NS <= file.to_ns < oldest_ns]
    if expired:
        with core.lock:
            columns = core.columns.stored.stored()
        try:
            version = core.magnetic.commit([], expired, columns, {}, is_new_data=True)
        except MagneticConflict as conflict:
            log.info("%s: no retention this time: %s", core.id, conflict)
            core.refresh_magnetic()
            return 0
    with core.lock:
        core.magnetic.version = version
        for chunk in [chunk for chunk in core.memory.chunks if chunk.sealed and chunk.to_ns < oldest_ns]:
            core.evict(chunk)
        if all(file.from_ns >= NO_CLOCK_BEFORE_NS for file in version.files):
            core.superseded.forget_before(oldest_ns)
    return len(expired)
