"""What a backup needs of Kafka, and what a restored one finds there.

Workers trim their topic once they have saved what was in it. So a backup waits until they have saved everything of
before it: then it needs no message of Kafka.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from pipeline.config import Config
from pipeline.log import open_admin
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from store import layout
from store.backup.manifest import Manifest
from store.errors import BackupError
from store.objects.objects import Objects, open_objects
from store.state_objects import url_of

TIMEOUT_S = 120.0
_LOOK_EVERY_S = 0.5
_POSITIONS = (layout.LOW_WATERMARK, "usage")  # the kinds of saved state whose offsets limit what is trimmed


def wait_until_saved(config: Config, timeout_s: float = TIMEOUT_S) -> None:
    """Return when the workers have saved everything that [readings] has now. Raises BackupError, LogError."""
    objects = open_objects(url_of(config.magnetic_url))
    with closing(open_admin(config.log_settings)) as admin:
        ends = {partition: admin.extent(READINGS, number).next_offset for number, partition in _partitions(admin)}
    deadline = time.monotonic() + timeout_s
    while waiting := [partition for partition, end in ends.items() if end and _saved_to(objects, partition) < end]:
        if time.monotonic() > deadline:
            first = waiting[0]
            raise BackupError(
                f"after {timeout_s:.0f} s {first} is saved up to offset {_saved_to(objects, first)}, and had "
                f"{ends[first]}: are all workers running?"
            )
        time.sleep(_LOOK_EVERY_S)


def needs(config: Config, manifest: Manifest) -> Iterator[str]:
    """What the workers of a restored backup will find in Kafka, partition by partition. Raises LogError."""
    with closing(open_admin(config.log_settings)) as admin:
        for number, partition in _partitions(admin):
            extent = admin.extent(READINGS, number)
            offset = manifest.positions.get(partition)
            if offset is None:
                yield f"{partition} is not the log of the backup: it is read from its first message, {extent.first}, on"
            elif extent.first > offset:
                yield (
                    f"{partition}: continues at offset {extent.first}; {extent.first - offset} messages after the "
                    "backup, which only Kafka had, were deleted there"
                )
            else:
                yield f"{partition}: continues at offset {offset}, of {extent.next_offset}"


def _partitions(admin: LogAdmin) -> Iterator[tuple[int, str]]:
    for number in range(admin.partitions_of(READINGS)):
        yield number, admin.partition_id(READINGS, number)


def _saved_to(objects: Objects, partition: str) -> int:
    """The offset of a partition below which everything is saved; 0 if there is none."""
    by_kind: dict[str, int] = {}
    for path in objects.list(f"{layout.STATE}/{partition}"):
        kind, _, offset = path.rpartition("/")
        if kind.rpartition("/")[2] in _POSITIONS:
            by_kind[kind] = max(int(offset), by_kind.get(kind, 0))
    return min(by_kind.values(), default=0)
