"""What of a disk survives when the power goes: chosen by a seed among all that the model allows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tests.support.power.disk import Disk, File, Folder, Naming, Node, Write, apply, apply_naming, folders, write_out

NAMES = ("none", "all", "in order", "in order by folder", "any")
CONTENT = ("none", "all", "in order", "any", "torn", "zeros")
SECTORS = (512, 4096)
Content = dict[File, bytes]


class Survivors:
    """One state that a power failure may leave of `disk`."""

    def __init__(self, disk: Disk, seed: int | str, names: str = "", content: str = "") -> None:
        """`names` and `content` are how unsynced names and content are treated, if not chosen by the seed."""
        self._disk = disk
        self._rng = random.Random(seed)
        self.names = names or self._rng.choice(NAMES)
        self.content = content or self._rng.choice(CONTENT)
        self._kept = self._kept_namings()
        self._written: Content = {}

    def write_to(self, folder: Path) -> None:
        """Make a real folder of it."""
        write_out(self._disk.root, self._names_of, self._content_of, folder)

    def _kept_namings(self) -> set[Naming]:
        waiting = sorted((naming for folder in folders(self._disk.root) for naming in folder.pending), key=_number)
        kept = set(self._chosen(waiting))
        while lost := {naming for naming in kept if _lacks(naming, kept)}:
            kept -= lost
        return kept

    def _chosen(self, waiting: list[Naming]) -> Iterator[Naming]:
        if self.names == "all":
            yield from waiting
        elif self.names == "in order":
            yield from waiting[: self._rng.randint(0, len(waiting))]
        elif self.names == "in order by folder":
            until: dict[Folder, int] = {}
            for naming in waiting:
                most = until.setdefault(naming.folder, self._rng.randint(0, len(naming.folder.pending)))
                if naming.folder.pending.index(naming) < most:
                    yield naming
        elif self.names == "any":
            share = self._rng.choice((0.2, 0.5, 0.8))
            yield from (naming for naming in waiting if self._rng.random() < share)

    def _names_of(self, folder: Folder) -> dict[str, Node]:
        names = dict(folder.durable)
        for naming in folder.pending:
            if naming in self._kept:
                apply_naming(names, naming)
        return names

    def _content_of(self, file: File) -> bytes:
        if file not in self._written:  # a file with two names has one content
            content = bytearray(file.durable)
            for write in self._writes(file.pending):
                apply(content, write)
            self._written[file] = bytes(content)
        return self._written[file]

    def _writes(self, pending: list[Write]) -> Iterator[Write]:
        if self.content == "all":
            yield from pending
        elif self.content == "in order":
            yield from pending[: self._rng.randint(0, len(pending))]
        elif self.content == "any":
            yield from (write for write in pending if self._rng.random() < 0.5)
        elif self.content == "zeros":  # the size came to the disk, and the content did not
            for write in pending:
                yield write if write.data is None else Write(write.offset, bytes(len(write.data)))
        elif self.content == "torn":
            sector = self._rng.choice(SECTORS)
            for write in pending:
                yield from self._sectors(write, sector)

    def _sectors(self, write: Write, sector: int) -> Iterator[Write]:
        """Some of the sectors that a write touches."""
        if write.data is None:
            if self._rng.random() < 0.5:
                yield write
            return
        at = write.offset
        end = at + len(write.data)
        while at < end:
            upto = min(end, (at // sector + 1) * sector)
            if self._rng.random() < 0.6:
                yield Write(at, write.data[at - write.offset : upto - write.offset])
            at = upto


def _lacks(naming: Naming, kept: set[Naming]) -> bool:
    needs = naming.needs
    return needs is not None and needs in needs.folder.pending and needs not in kept


def _number(naming: Naming) -> int:
    return naming.number
