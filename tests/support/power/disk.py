"""A model of a disk: what is durable, and what waits for an fsync, after any part of a journal.

The rules are those of POSIX, not the kinder ones of one file system: an fsync of a file makes its content durable, not
its name; an fsync of a folder makes its names durable, not what is below. A rename keeps one of both names, and a name
that was removed durably stays removed. Everything else that waits may be on the disk or not, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.power.journal import CREATED, TRUNCATED, Record


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that came to be at an offset; without bytes, the new size of the file."""

    offset: int
    data: bytes | None


@dataclass(eq=False, slots=True)
class File:
    """A file: its durable content, and what was written since, in order."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)
    size: int = 0  # with what is pending

    def add(self, write: Write) -> None:
        self.pending.append(write)
        self.size = write.offset if write.data is None else max(self.size, write.offset + len(write.data))

    def sync(self) -> None:
        for write in self.pending:
            apply(self.durable, write)
        self.pending.clear()


def apply(content: bytearray, write: Write) -> None:
    """Make the change; a gap becomes zeros."""
    if write.data is None:
        if write.offset < len(content):
            del content[write.offset :]
        else:
            content.extend(bytes(write.offset - len(content)))
        return
    if len(content) < write.offset:
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.data)] = write.data


@dataclass(eq=False, slots=True)
class Naming:
    """A change of the names of a folder: `name` stands for `node` now, or for nothing. `needs`: of a rename, the new
    name, without which the old one cannot go.
    """

    number: int
    folder: Folder
    name: str
    node: Node | None
    needs: Naming | None = None


@dataclass(eq=False, slots=True)
class Folder:
    """A folder: its names now, its durable names, and the changes in between."""

    names: dict[str, Node] = field(default_factory=dict)
    durable: dict[str, Node] = field(default_factory=dict)
    pending: list[Naming] = field(default_factory=list)


Node = File | Folder


class Disk:
    """The state after the records that were given to `follow`."""

    def __init__(
        self,
        records: list[Record],
        is_synced: Callable[[str], bool] = lambda _kind: True,
        before: Folder | None = None,
    ) -> None:
        """`is_synced`: the kinds of files whose fsync counts; for the others it is as if the product left it out.

        `before`: what was on the disk, durably, before the first record.
        """
        self.root = Folder() if before is None else before
        self._is_synced = is_synced
        self._handles: dict[int, tuple[Node, str]] = {}
        self._count = 0
        self._becomes = dict(_becomes(records))
        self.mapped: set[str] = set()
        self.unknown: list[str] = []

    def follow(self, record: Record) -> None:
        """Do what was recorded."""
        match record.op:
            case "O":
                self._open(record)
            case "W" | "T" | "P":
                self._file(record).add(Write(record.offset, record.data if record.op == "W" else None))
            case "S" | "s" | "Y":
                self._sync(record)
            case "R" | "L":
                new = self._name(record.path2, self._at(record.path))
                if record.op == "R":
                    self._name(record.path, None, new)
            case "U" | "X" | "D":
                self._name(record.path, Folder() if record.op == "D" else None)
            case "m":
                self.mapped.add(record.path)
            case "?":
                self.unknown.append(f"{record.data.decode()} {record.path}")

    def kind_at(self, record: Record) -> str:
        """The kind of the file that a record is about; empty for a mark."""
        if record.handle in self._handles:
            node, path = self._handles[record.handle]
            return self.kind(path, node)
        path = record.path2 or record.path
        return kind_of(self._becomes.get(path, path)) if path else ""

    def kind(self, path: str, node: Node) -> str:
        return "folder" if isinstance(node, Folder) else kind_of(self._becomes.get(path, path))

    def _open(self, record: Record) -> None:
        if record.flags & CREATED:
            self._name(record.path, File())
        node = self._at(record.path)
        self._handles[record.handle] = (node, record.path)
        if record.flags & TRUNCATED:
            assert isinstance(node, File)
            node.add(Write(0, None))

    def _sync(self, record: Record) -> None:
        if record.op == "Y":
            if self._is_synced("everything"):
                self._sync_all()
            return
        node, path = self._handles[record.handle]
        if isinstance(node, File):
            if record.op == "s":
                # what waited is lost, and later fsyncs do not bring it back: the kernel takes the pages for written
                node.pending.clear()
            elif self._is_synced(self.kind(path, node)):
                node.sync()
        elif record.op == "S" and self._is_synced("folder"):
            for naming in list(node.pending):
                self._settle(naming)

    def _sync_all(self) -> None:
        for folder in folders(self.root):
            for naming in list(folder.pending):
                self._settle(naming)
            for node in folder.durable.values():
                if isinstance(node, File):
                    node.sync()

    def _settle(self, naming: Naming) -> None:
        if naming.needs is not None and naming.needs in naming.needs.folder.pending:
            self._settle(naming.needs)
        apply_naming(naming.folder.durable, naming)
        naming.folder.pending.remove(naming)

    def _file(self, record: Record) -> File:
        node = self._at(record.path) if record.op == "P" else self._handles[record.handle][0]
        assert isinstance(node, File)
        return node

    def _at(self, path: str) -> Node:
        node: Node = self.root
        for part in path.split("/"):
            assert isinstance(node, Folder), path
            node = node.names[part]
        return node

    def _name(self, path: str, node: Node | None, needs: Naming | None = None) -> Naming:
        parent, _, name = path.rpartition("/")
        folder = self._at(parent) if parent else self.root
        assert isinstance(folder, Folder)
        self._count += 1
        naming = Naming(self._count, folder, name, node, needs)
        apply_naming(folder.names, naming)
        folder.pending.append(naming)
        return naming


def durable(path: Path) -> Folder:
    """The real folder at `path`, as if all of it were durable."""
    folder = Folder()
    for each in path.iterdir():
        node = durable(each) if each.is_dir() else File(bytearray(each.read_bytes()), size=each.stat().st_size)
        folder.names[each.name] = folder.durable[each.name] = node
    return folder


def apply_naming(names: dict[str, Node], naming: Naming) -> None:
    """Make the change."""
    if naming.node is None:
        names.pop(naming.name, None)
    else:
        names[naming.name] = naming.node


def folders(root: Folder) -> list[Folder]:
    """All that are reachable now, or by durable names; one that is neither has no part in any state."""
    found: list[Folder] = [root]
    for folder in found:
        pending = (naming.node for naming in folder.pending)
        for node in (*folder.names.values(), *folder.durable.values(), *pending):
            if isinstance(node, Folder) and node not in found:
                found.append(node)
    return found


def write_out(
    folder: Folder, names: Callable[[Folder], dict[str, Node]], content: Callable[[File], bytes], to: Path
) -> None:
    """Make a real folder of a disk: the caller chooses which names each folder has, and what each file contains."""
    to.mkdir()
    for name, node in names(folder).items():
        if isinstance(node, Folder):
            write_out(node, names, content, to / name)
        elif not name.endswith("-shm"):  # SQLite makes it again, without looking at what is there
            (to / name).write_bytes(content(node))


def all_of(file: File) -> bytes:
    """The content as processes see it."""
    content = bytearray(file.durable)
    for write in file.pending:
        apply(content, write)
    return bytes(content)


_KINDS = (
    ("data/log/", "log"),
    (".checkpoint", "checkpoint"),
    ("_delta_log/", "commit"),
    (".parquet", "parquet"),
    ("/rules/", "rules"),
    ("/floor/", "position"),
    ("/checkpoint/", "pending"),
    ("_streamgauge/catalog/", "catalog"),
    ("_streamgauge/state/", "state"),
    ("alerts.sqlite", "archive"),
    ("dead_letters.sqlite", "archive"),
    ("/run/", "run"),
)


def kind_of(path: str) -> str:
    """The kind of the file at `path`."""
    return next((kind for part, kind in _KINDS if part in path), "other")


def _becomes(records: list[Record]) -> Iterator[tuple[str, str]]:
    """Where a file that is written elsewhere is put."""
    return ((record.path, record.path2) for record in records if record.op in "RL")
