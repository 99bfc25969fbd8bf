"""Files that are watched for changes by looking at them, about each second."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

Stamps: TypeAlias = list[tuple[str, int, int, int] | None]
"""What tells that files have changed: of each its path, time, size and number; None: there is no such file."""


def stamps_of(paths: Iterable[Path]) -> Stamps:
    """Those of these files now."""
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[str, int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino


class FileWatch:
    """Tells a change at the second look that sees it: at the first, an editor may still write.

    known   the files that were read; found out before they were, or a change meanwhile would not be noticed
    """

    def __init__(self, stamps: Stamps) -> None:
        self.known = self._seen = stamps

    def look(self, now: Stamps) -> bool:
        """Whether the files, which are like this now, are others than the known ones, and stay as they are."""
        before, self._seen = self._seen, now
        return now == before and now != self.known
