"""Earlier versions of a Delta table: which one was the newest at a time, as long as all its files are there.

A version can be read until vacuum deletes a file that only it and versions before it have. So versions are looked at
from the newest backwards: each commit names the files that it removed, and when it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
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
    location: Path | S3Location,
    data: DataFiles,
    newest: Version,
    *,
    time_ns: int | None = None,
    number: int | None = None,
    now_ns: int,
) -> Version:
    """The version with this number, or the newest one that there was at this time; one of the two is not None.

    Costs a read for each commit since. Raises QueryFailed for a version that is not there yet, and for one that cannot
    be read any more, with the oldest one that can.
    """
    if number is not None and number > newest.number:
        raise QueryFailed(f"there is no version {number} yet: the newest one is {newest.number}")
    last = _commit(location, newest.number)
    if last is None:
        return newest
    readable = _readable(location, last, data.paths())
    if time_ns is not None and time_ns > max(now_ns, last.time_ns):  # whoever made it may have another clock
        *_, oldest = readable
        raise QueryFailed(f"{rfc3339(time_ns)} is in the future: it is {rfc3339(now_ns)} now, and {_told(oldest)}")
    oldest = last
    for oldest in readable:
        if oldest.number == number or (time_ns is not None and oldest.time_ns <= time_ns):
            return newest if oldest is last else _version(location, oldest.number)
    asked = f"version {number}" if time_ns is None else f"what was there at {rfc3339(time_ns)}"
    raise QueryFailed(f"{asked} cannot be read any more: {_told(oldest)}; files of earlier ones were deleted")


def _readable(location: Path | S3Location, last: _Commit, there: AbstractSet[str]) -> Iterator[_Commit]:
    """The commits of versions all of whose files are there, from the last one backwards."""
    at: _Commit | None = last
    while at is not None:
        yield at
        at = _commit(location, at.number - 1) if at.removed <= there else None


def _told(oldest: _Commit) -> str:
    return f"the oldest version that is there is {oldest.number}, of {rfc3339(oldest.time_ns)}"


def _version(location: Path | S3Location, number: int) -> Version:
    return Version(number, DeltaHandle.at(location, number).files(), {})


def _commit(location: Path | S3Location, number: int) -> _Commit | None:
    """The commit of this version; None if there is none, or not any more."""
    actions = list(delta_log.actions(delta_log.read(location, number))) if number >= 0 else []
    if not actions:
        return None
    made_ms = max((action["commitInfo"].get("timestamp", 0) for action in actions if "commitInfo" in action), default=0)
    return _Commit(
        number, made_ms * _MS, frozenset(action["remove"]["path"] for action in actions if "remove" in action)
    )
