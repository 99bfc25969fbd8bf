"""Earlier versions of a Delta table: which one was the newest at a time, as long as all its files are there.

A version can be read until vacuum deletes a file that only it and versions before it have. So versions are looked at
from the newest backwards: each commit names the files that it removed, and when it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from store.errors import QueryFailed
from store.magnetic import delta_log
from store.magnetic.data_files import DataFiles
from store.magnetic.delta import DeltaHandle
from store.magnetic.tier import Version
from store.objects.location import S3Location
from store.values.times import rfc3339

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Commit:
    number: int
    time_ns: int
    removed: frozenset[str]


def version_at(
    location: Path | S3Location, data: DataFiles, newest: Version, time_ns: int | None, number: int | None
) -> Version:
    """The version with this number, or the newest one that there was at this time; one of the two is not None.

    Costs a read for each commit since. Raises QueryFailed, which names the oldest version that can be read.
    """
    there = data.paths()
    at = _commit(location, newest.number)
    if number is not None and number > newest.number:
        raise QueryFailed(f"there is no version {number} yet: the newest one is {newest.number}")
    while at is not None and (at.number > number if number is not None else at.time_ns > (time_ns or 0)):
        before = _commit(location, at.number - 1)
        if before is None or not at.removed <= there:
            asked = f"version {number}" if number is not None else f"what was there at {rfc3339(time_ns or 0)}"
            raise QueryFailed(
                f"{asked} cannot be read any more: the oldest version that is there is {at.number}, "
                f"of {rfc3339(at.time_ns)}; files of earlier ones were deleted"
            )
        at = before
    if at is None or at.number == newest.number:
        return newest
    return Version(at.number, DeltaHandle.at(location, at.number).files(), {})


def _commit(location: Path | S3Location, number: int) -> _Commit | None:
    """The commit of this version; None if there is none, or not any more."""
    actions = list(delta_log.actions(delta_log.read(location, number))) if number >= 0 else []
    if not actions:
        return None
    made_ms = max((action["commitInfo"].get("timestamp", 0) for action in actions if "commitInfo" in action), default=0)
    return _Commit(
        number, made_ms * _MS, frozenset(action["remove"]["path"] for action in actions if "remove" in action)
    )
