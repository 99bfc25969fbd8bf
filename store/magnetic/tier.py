"""The magnetic tier of one table: a Delta Lake table, partitioned by date, which other engines can read.

Every commit contains the table's position (Delta's application transaction: app id = partition, version = offset)
together with the rows up to it, atomically. This package writes the Parquet files itself, sorted and fsync'ed, and uses
`deltalake` for the protocol (`store.magnetic.delta`).

The rule of writers: each partition has one writer (`own_partition` here), and the writers of other partitions write the
same table. Before each attempt the position in the table must be the one that this writer left there, and the attempt
is for exactly the next version. So a fenced writer writes nothing, and one that was only slower tries again.

Readers pin a `Version`: an immutable list of files. Files of pinned versions are not vacuumed. Any thread may call
`refresh`; one thread commits.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from store.catalog.schema import Column, Columns
from store.errors import Fenced, MagneticConflict, MagneticTierError, MagneticUnavailable
from store.magnetic import delta_log
from store.magnetic.data_files import data_files
from store.magnetic.delta import DeltaHandle, Raced
from store.magnetic.parquet import DataFile
from store.memory.newness import NEVER_NS
from store.objects.files import make_folders
from store.objects.location import S3Location
from store.values.backoff import Backoff

log = logging.getLogger(__name__)

CHECKPOINT_COMMITS = 50  # the maximum number of commits that a reader must replay
MOST_TRIES = 200
_BACKOFF = Backoff(first_s=0.01, longest_s=0.25, chance=1.0)
_RNG = random.Random()  # noqa: S311  # when to retry is not a secret
_BEING_WRITTEN = 2 * CHECKPOINT_COMMITS  # other writers may not have fsync'ed all of the newest commits


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """The Delta table at one version: its files, and the offset per partition up to which they contain all rows."""

    number: int
    files: tuple[DataFile, ...]
    positions: Mapping[str, int]

    @property
    def to_ns(self) -> int:
        """The time of the newest row, or slightly later."""
        return max((file.to_ns for file in self.files), default=NEVER_NS)

    def files_in(self, from_ns: int, to_ns: int) -> list[DataFile]:
        """The files that may have rows with times in [from_ns, to_ns)."""
        return [file for file in self.files if file.to_ns >= from_ns and file.from_ns < to_ns]


EMPTY = Version(-1, (), {})


@dataclass(slots=True)
class _Attempt:
    """An attempted commit: its version and positions, and whether it is known to exist."""

    token: str
    number: int
    positions: Mapping[str, int]
    is_made: bool | None = None


class MagneticTier:
    """The Delta table at one location; created by the first commit."""

    def __init__(self, location: Path | S3Location, partitions: Sequence[str], own_partition: str) -> None:
        """Open it, and set damaged last commits aside. Raises MagneticTierError if it cannot be read.

        `partitions` is evaluated again at each refresh. `own_partition`: the partition that this process writes.
        """
        self.location = location
        self.data = data_files(location)
        self.own_partition = own_partition
        self.set_aside = delta_log.repair(location) if isinstance(location, Path) else []
        self._partitions = partitions
        self._lock = threading.RLock()
        self._delta: DeltaHandle | None = None
        self._version = self._newest = EMPTY  # for readers; last read or written
        self._attempts: list[_Attempt] = []
        self._columns: dict[str, Column | None] = {}  # by physical name in lower case; None: of another program
        self._asked: set[str] = set()  # partitions whose positions are in `_newest`, if they have one
        self._synced = -1
        try:
            self._version = self._refresh()
        except MagneticUnavailable:
            raise
        except MagneticTierError as error:
            raise MagneticTierError(f"the table cannot be opened: {error}") from error
        # the position that this writer left in the table, or found at its start
        self._mine = self._version.positions.get(own_partition)
        self._synced = self._version.number - _BEING_WRITTEN

    @property
    def folder(self) -> Path:
        """The folder of the table; only for tables in a folder."""
        assert isinstance(self.location, Path)
        return self.location

    @property
    def version(self) -> Version:
        """The current version for readers. Set under the table's lock; setting an older one has no effect."""
        return self._version

    @version.setter
    def version(self, version: Version) -> None:
        if version.number >= self._version.number:
            self._version = version

    def columns(self) -> list[Column]:
        """The dimensions and measures in the Delta schema, as of the last refresh."""
        with self._lock:
            return [column for column in self._columns.values() if column is not None]

    def field_names(self) -> set[str]:
        """The names of all columns in the Delta schema in lower case, also of other programs, as of the refresh."""
        with self._lock:
            return set(self._columns)

    @property
    def is_unsure(self) -> bool:
        """Whether the outcome of a commit is unknown, because there was no response: `refresh` finds out."""
        return bool(self._attempts)

    def refresh(self) -> Version:
        """Read the newest version from storage. Costs one listing if nothing has changed."""
        with self._lock:
            return self._refresh()

    def register(self, columns: Sequence[Column]) -> list[Column]:
        """Add columns to the Delta schema, durably, creating a missing table; returns the registered columns.

        A column that another writer has registered with the same name and kind keeps its physical name and type.
        """
        for _ in self._tries("columns cannot be registered"):
            with self._lock, suppress(Raced):
                delta = self._newest_delta(columns)
                agreed = Columns.of(self.columns())
                agreed.reserve(self._columns)
                there = set(agreed.stored())
                found = [agreed.claim(column) for column in columns]
                missing = [column for column in agreed.stored() if column not in there]
                if missing:
                    delta.add_columns(missing)
                self._sync_to(self._refresh().number)
                return found
        raise AssertionError("the last try raises")

    def commit(
        self,
        added: Sequence[DataFile],
        removed: Sequence[DataFile],
        columns: Sequence[Column],
        positions: Mapping[str, int],
        *,
        is_new_data: bool,
        after: Mapping[str, int] | None = None,
        deletes: bool = False,
    ) -> Version:
        """Add files to the table and remove files, together with the position, atomically and durably.

        `deletes`: rows are gone that a DELETE chose; the commit says so. `after`: the positions beyond which the added
        rows are. Returns the new version with the files of all writers; readers see it after the caller, under the
        table's lock, has set it as `version`. Raises Fenced if another process has written this one's partition,
        MagneticConflict if a file to be removed is missing, and MagneticUnavailable, after which the commit may exist
        or not: refresh, and flush again.
        """
        assert set(positions) <= {self.own_partition}, "a writer writes its own partition"
        attempt: _Attempt | None = None
        since = -1
        for _ in self._tries("a commit finds no gap between those of others"):
            with self._lock, suppress(Raced):
                delta = self._newest_delta(columns)
                since = since if attempt else self._newest.number
                if attempt is not None and attempt.is_made:  # what seemed another writer's was this commit
                    return self._finish(self._newest, since)
                self._check(removed, positions, after)
                missing = self._missing(columns)
                if missing:
                    delta.add_columns(missing)
                    self._refresh()
                    self._check(removed, positions, after)
                base = self._newest
                self._sync_to(base.number)
                new = {
                    partition: offset
                    for partition, offset in positions.items()
                    if offset > base.positions.get(partition, -1)
                }
                attempt = _Attempt(secrets.token_hex(8), base.number + 1, new)
                self._attempts.append(attempt)
                delta.commit(added, removed, new, is_new_data=is_new_data, deletes=deletes, token=attempt.token)
                self._attempts.remove(attempt)
                self._sync_own(attempt.number)
                self._mine = new.get(self.own_partition, self._mine)
                gone = {file.path for file in removed}
                files = (*(file for file in base.files if file.path not in gone), *added)
                return self._finish(Version(base.number + 1, files, {**base.positions, **new}), since)
        raise AssertionError("the last try raises")

    def removed_files(self) -> set[str]:
        """The paths of files that earlier versions have or had, and the newest one has not."""
        with self._lock:
            self._refresh()
            return set() if self._delta is None else self._delta.removed_files()

    def _refresh(self) -> Version:
        if self._delta is not None:
            self._delta.refresh()
        else:
            self._delta = DeltaHandle.open(self.location)
            if self._delta is None:
                return self._newest
        partitions = {self.own_partition, *self._partitions, *self._newest.positions}
        number = self._delta.version
        self._settle(number)
        unasked = partitions - self._asked
        if number != self._newest.number or unasked:
            files = self._newest.files
            if number != self._newest.number:
                files = self._delta.files()
                ours = {column.physical: column for column in self._delta.columns()}  # in the order of their creation
                self._columns = {**ours, **dict.fromkeys({n.lower() for n in self._delta.field_names()} - set(ours))}
            since = self._newest.number
            positions = {**self._newest.positions, **self._delta.positions(self._asked, since)} if self._asked else {}
            positions |= self._delta.positions(unasked)
            self._newest, self._asked = Version(number, files, positions), partitions
        return self._newest

    def _newest_delta(self, columns: Sequence[Column]) -> DeltaHandle:
        """The table at its newest version, created if necessary."""
        self._refresh()
        if self._delta is None:
            if isinstance(self.location, Path):
                make_folders(self.location)
            self._delta = DeltaHandle.create(self.location, columns)
            self._refresh()
            self._sync_to(0)
        return self._delta

    def _settle(self, number: int) -> None:
        """Determine the outcome of attempts that was unknown, now that the table is at version `number`."""
        for attempt in [attempt for attempt in self._attempts if attempt.number <= number]:
            attempt.is_made = attempt.token in delta_log.read(self.location, attempt.number)
            if attempt.is_made:
                self._mine = attempt.positions.get(self.own_partition, self._mine)
            self._attempts.remove(attempt)

    def _check(
        self, removed: Sequence[DataFile], positions: Mapping[str, int], after: Mapping[str, int] | None
    ) -> None:
        """Check that the assumptions of a commit are true for the version that it will follow.

        Raises Fenced, MagneticConflict.
        """
        found = self._newest.positions.get(self.own_partition)
        if found != self._mine:
            raise Fenced(
                f"{self}: position of {self.own_partition} is {found} in the table and {self._mine} here: "
                "another process writes to it"
            )
        if positions and after is not None and after.get(self.own_partition) != self._mine:
            raise MagneticConflict(f"{self}: an earlier commit, which seemed to have failed, exists")
        gone = {file.path for file in removed} - {file.path for file in self._newest.files}
        if gone:
            raise MagneticConflict(f"{self}: {min(gone)} and {len(gone) - 1} more were removed by another writer")

    def _missing(self, columns: Sequence[Column]) -> list[Column]:
        """The columns that are missing in the schema. Raises MagneticConflict if another writer has a different one."""
        missing = [column for column in columns if column.physical not in self._columns]
        agreed = Columns.of(self.columns())
        agreed.reserve(self._columns)
        for column in columns:
            found = agreed.claim(column)
            if found != column:
                raise MagneticConflict(
                    f"{self}: {column} is {found} in the table: register columns before they are used"
                )
        return missing

    def _finish(self, version: Version, since: int) -> Version:
        """Make the commit durable, and write a checkpoint if one is due, also for commits of other writers."""
        self._newest = version
        self._sync_to(version.number)
        if version.number // CHECKPOINT_COMMITS > since // CHECKPOINT_COMMITS:
            try:
                self._checkpoint()
            except MagneticUnavailable as error:  # the commit is durable; readers replay more commits
                log.warning("%s: checkpoint skipped: %s", self, error)
        return version

    def _checkpoint(self) -> None:
        self._refresh()
        assert self._delta is not None
        number = self._delta.checkpoint()
        if isinstance(self.location, Path):
            delta_log.sync_checkpoint(self.location, number)
        self._delta.forget_old_commits()

    def _sync_own(self, number: int) -> None:
        """Make the commit that this handle has just made survive a power failure."""
        if isinstance(self.location, Path):
            delta_log.sync_own(self.location, number)
        self._synced = max(self._synced, number)

    def _sync_to(self, number: int) -> None:
        """Make commits up to `number`, also of others, survive a power failure: a lost one invalidates later ones."""
        if isinstance(self.location, Path):
            for each in range(max(self._synced, -1) + 1, number + 1):
                delta_log.sync(self.location, each)
        self._synced = max(self._synced, number)

    def _tries(self, what: str) -> Iterator[int]:
        for number in range(MOST_TRIES):
            if number:
                time.sleep(_BACKOFF.wait_s(number, _RNG))
            yield number
        raise MagneticUnavailable(f"{self}: {what} after {MOST_TRIES} tries")

    def __str__(self) -> str:
        return str(self.location) if isinstance(self.location, Path) else self.location.url
