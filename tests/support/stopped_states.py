"""The states in which a stop may leave a folder: copies before each step that changes the file system.

Python's audit events report each file before it is opened for writing, renamed, linked or removed. Changes by native
code are seen at the next event: if several files of the magnetic tier are new, the states between are created from them
in the order of writing. `make soak` copies every state, the other lanes one in several, spread over all.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.examples import one_in

_CHANGES = {
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.truncate",
    "os.link",
    "shutil.rmtree",
    "sqlite3.connect",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_TORN = ("keys", ".parquet")  # written in place, in more than one step

Signature = dict[str, tuple[int, int]]


@dataclass
class State:
    """A copy of the folder, and the facts at that time."""

    folder: Path
    note: object
    what: str


@dataclass
class StoppedStates:
    """Copies `watched` to `copies` while it is `watching`."""

    watched: Path
    copies: Path
    note: Callable[[], object]
    one_in: int = field(default_factory=one_in)
    seen: int = 0
    states: list[State] = field(default_factory=list)
    _last: Signature = field(default_factory=dict)
    _is_on: bool = False

    @contextmanager
    def watching(self) -> Iterator[StoppedStates]:
        _watchers.append(self)
        if len(_watchers) == 1 and not _hooked:
            sys.addaudithook(_hear)
            _hooked.append(True)
        self._is_on = True
        try:
            yield self
            self.take("the end")
        finally:
            _watchers.remove(self)

    def know(self) -> None:
        """Take the present state as the one before everything that is watched."""
        self._last = _signature(self.watched)

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        is_change = event in _CHANGES or (
            event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
        )
        if self._is_on and is_change and str(self.watched) in str(arguments[0]):
            self.take(f"before {event} {Path(str(arguments[0])).name}")

    def take(self, what: str) -> None:
        self._is_on = False
        try:
            found = _signature(self.watched)
            if found == self._last:
                return
            self._between(found)
            self._copy(what)
            self._last = found
        finally:
            self._is_on = True

    def _between(self, found: Signature) -> None:
        """Copy the new files of the magnetic tier one by one, and each half-written."""
        new = sorted(
            (name for name in found if name not in self._last and "magnetic" in name and not name.endswith("/")),
            key=lambda name: (found[name][1], "_delta_log" in name),  # the time is that of a tick: a commit comes after
        )
        for count, name in enumerate(new):
            later = new[count + 1 :]
            if name.endswith(_TORN) and ".checkpoint" not in name:
                for part in (0, 2):
                    torn = self._copy(f"{name} cut to 1/{part}" if part else f"{name} empty", without=later)
                    if torn is not None:
                        os.truncate(torn / name, found[name][0] // part if part else 0)
            if later:
                self._copy(f"{name} written", without=later)

    def _copy(self, what: str, without: list[str] | None = None) -> Path | None:
        """Make the copy, if this state is selected."""
        self.seen += 1
        if self.seen % self.one_in:
            return None
        copy = self.copies / f"{len(self.states):04d}"
        if self.watched.exists():
            shutil.copytree(self.watched, copy)
        else:
            copy.mkdir(parents=True)
        for name in without or ():
            (copy / name).unlink()
        self.states.append(State(copy, self.note(), what))
        return copy


_watchers: list[StoppedStates] = []
_hooked: list[bool] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    for watcher in _watchers:
        watcher.hear(event, arguments)


def _signature(folder: Path) -> Signature:
    """Size and time of each file, by its path; of a folder neither, and its path ends with a slash."""
    found: Signature = {}
    folders: Signature = {}
    for parent, below, files in os.walk(folder):
        at = f"{parent}/".removeprefix(f"{folder}/")
        folders |= {f"{at}{name}/": (0, 0) for name in below}
        for name in files:
            stat = os.lstat(f"{parent}/{name}")
            found[at + name] = (stat.st_size, stat.st_mtime_ns)
    return found | folders
