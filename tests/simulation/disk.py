"""The disk of the simulated host: a real folder, of which a power cut leaves what was fsync'ed, and some of the rest.

`os.fsync` is replaced while a simulation runs. For each file that is synced its content is kept, for each folder the
names in it. After a power cut a name is as in the last sync of its folder or as it was last, each name by itself; a
file is as last synced, as it was last, or torn in between. At every fsync the disk may fail, or the power or a process:
the moments between two fsyncs differ in nothing that a power cut leaves.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

Tree = dict[str, "bytes | Tree"]


class Disk:
    """`at_sync` is called before each fsync of a file or folder below `root`, and may raise."""

    def __init__(self, root: Path, at_sync: Callable[[Path], None]) -> None:
        self.root = root
        self.syncs = 0
        self._at_sync = at_sync
        self._real_fsync = os.fsync
        self._files: dict[int, bytes] = {}  # content as of the last sync, by inode
        self._folders: dict[int, dict[str, int]] = {}  # names and their inodes as of the last sync, by inode
        root.mkdir(parents=True)

    def fsync(self, descriptor: int | object) -> None:
        """What the product calls instead of `os.fsync`."""
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()  # type: ignore[attr-defined]
        path = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115  often
        if not path.startswith(f"{self.root}"):
            self._real_fsync(number)
            return
        self.syncs += 1
        self._at_sync(Path(path))
        self._keep(path, os.fstat(number))

    def sync_all(self, folder: Path) -> None:
        """What the product calls to make everything durable, whoever wrote it."""
        self._at_sync(folder)
        for parent, _, names in os.walk(self.root):
            for path in (parent, *(f"{parent}/{name}" for name in names)):
                self._keep(path, Path(path).stat())

    def _keep(self, path: str, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            self._folders[status.st_ino] = _names(path)
        else:
            self._files[status.st_ino] = Path(path).read_bytes()

    def cut_power(self, rng: random.Random) -> None:
        """Leave what a power cut leaves."""
        tree = self._survivors(str(self.root), rng)
        shutil.rmtree(self.root)
        self._files.clear()
        self._folders.clear()
        self._write(self.root, tree)

    def _survivors(self, folder: str, rng: random.Random) -> Tree:
        now = _names(folder)
        synced = self._folders.get(Path(folder).stat().st_ino, {})
        tree: Tree = {}
        for name in sorted(now.keys() | synced.keys()):
            inode = now.get(name)
            if inode != synced.get(name) and rng.random() < 0.5:
                inode = synced.get(name)
            if inode is None:
                continue
            path = f"{folder}/{name}"
            is_here = inode == now.get(name)
            if is_here and Path(path).is_dir():
                tree[name] = self._survivors(path, rng)
            elif is_here:
                tree[name] = self._content(inode, Path(path).read_bytes(), rng)
            elif inode in self._files:
                tree[name] = self._files[inode]
        return tree

    def _content(self, inode: int, now: bytes, rng: random.Random) -> bytes:
        synced = self._files.get(inode)
        if synced == now:
            return now
        chosen = rng.random()
        if chosen < 0.3:
            return now
        if chosen < 0.6:
            return synced or b""
        return now[: rng.randrange(len(now) + 1)]

    def _write(self, folder: Path, tree: Tree) -> None:
        """Everything that survived is durable."""
        folder.mkdir()
        for name, content in tree.items():
            path = folder / name
            if isinstance(content, bytes):
                path.write_bytes(content)
                self._files[path.stat().st_ino] = content
            else:
                self._write(path, content)
        self._folders[folder.stat().st_ino] = _names(str(folder))


def fails(path: Path) -> OSError:
    """The error of a disk that is full."""
    return OSError(errno.ENOSPC, "no space left on the simulated disk", str(path))


def _names(folder: str) -> dict[str, int]:
    with os.scandir(folder) as entries:
        return {entry.name: entry.inode() for entry in entries}
