"""Takes the last commits of a table back if a file that they added is damaged, and the log still has all their rows.

The log is read again from there, as after a power failure that tore these commits. Only for a folder that one partition
writes alone, when it is opened: nobody has read, or continued from, what is taken back. Commits up to the newest
checkpoint stay, and so do those of which a file is missing that they removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store import layout
from store.errors import DamagedRows
from store.magnetic import delta_log
from store.magnetic.delta import TOKEN
from store.magnetic.parquet import DataFile
from store.magnetic.tier import MagneticTier
from store.objects.damage import Outcome, report


@dataclass(frozen=True, slots=True)
class _Commit:
    number: int
    added: frozenset[str]
    next_offset: int  # of the log, from which it is read again without this commit


def take_back(tier: MagneticTier, log_first: int, lower: Callable[[int], None]) -> list[str]:
    """Take back what is to be taken back; returns the names of the commits: open the table again if there are any.

    `lower` is called first, with the offset from which the log is read again.
    """
    known = {file.path: file for file in tier.version.files}
    damaged: list[tuple[DataFile, str]] = []
    last: _Commit | None = None
    for commit in _that_the_log_has(tier, log_first):
        found = list(_damaged(tier, [known[path] for path in sorted(commit.added) if path in known]))
        damaged += found
        last = commit if found else last
    if last is None:
        return []
    lower(last.next_offset)
    names = delta_log.set_aside_from(tier.folder, last.number)
    for file, fault in damaged:
        place = tier.data.set_aside(file.path)
        told = f"the log still has its rows, and is read again from offset {last.next_offset}; {place}"
        report("parquet", f"{tier}/{file.path}: {fault}; {told}", Outcome.MADE_AGAIN)
    return names


def _damaged(tier: MagneticTier, files: list[DataFile]) -> Iterator[tuple[DataFile, str]]:
    for file in files:
        try:
            tier.data.check_again(file)
        except DamagedRows:
            yield from tier.data.damaged((file,))


def _that_the_log_has(tier: MagneticTier, log_first: int) -> Iterator[_Commit]:
    """The commits that can be taken back, from the newest on."""
    if set(tier.version.positions) != {tier.own_partition}:
        return
    log = tier.folder / layout.DELTA_LOG
    checkpoint = max((int(path.name[:20]) for path in log.glob(layout.CHECKPOINT_GLOB)), default=0)
    for number in range(tier.version.number, checkpoint, -1):
        actions = list(delta_log.actions(delta_log.read(tier.folder, number)))
        added = frozenset(action["add"]["path"] for action in actions if "add" in action)
        is_ours = not added or any(TOKEN in action.get("commitInfo", {}) for action in actions)
        before = _position_before(tier, number)
        if before is None or before + 1 < log_first or not is_ours or not _has_removed(tier.folder, actions):
            return
        yield _Commit(number, added, before + 1)


def _position_before(tier: MagneticTier, number: int) -> int | None:
    """The position of the partition before this commit; None if that is not known."""
    for earlier in range(number - 1, -1, -1):
        text = delta_log.read(tier.folder, earlier)
        if not text:
            return None
        position = delta_log.transactions(text).get(tier.own_partition)
        if position is not None:
            return position
    return -1


def _has_removed(folder: Path, actions: list[dict[str, Any]]) -> bool:
    """Whether the files are still there that these actions removed."""
    removed = (action["remove"] for action in actions if "remove" in action)
    return all((folder / of["path"]).is_file() for of in removed)
