"""The doors for files and objects that we wrote ourselves, and for what other workers send: bytes may be damaged.

Contents are without the checksums that they have on disk, which would refuse nearly every input.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from pipeline.base.errors import DataDirError, FrameError
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.brokers.seen import Seen
from pipeline.log.dead_letter import decode_dead_letters
from rules import RuleSnapshotError
from rules.saved.snapshot import decode_state
from store import layout
from store.catalog.document import Document
from store.magnetic.delta_log import is_whole_commit, transactions
from store.reading.tail import TailReply, TailRequest
from store.record import SeriesIndex, SeriesKey, TableId
from store.state.partition_state import PartitionState
from store.state.pending_rows import Entry, PendingRows
from store.state.series import SavedSeries
from tests.fuzzing.door import Door, Feed, pure
from tests.fuzzing.edits import in_json, msgpack
from tests.golden.conftest import FILES

PARTITION = "0123456789abcdef/readings/0"
_TABLE = TableId("default", "db", "t")
_SERIES_KIND = layout.series_kind(_TABLE, 1)


def golden(*names: str) -> Sequence[bytes]:
    """The contents of these golden files."""
    return [file.read_bytes() for name in names for file in sorted(FILES.glob(name))]


def edits() -> Iterable[bytes]:
    """A few times as many edits as are made."""
    return [random.Random(number).randbytes(25) for number in range(1, 40)]  # no secret


def _commit(data: bytes) -> None:
    if is_whole_commit(data):
        transactions(data.decode())


_COMMIT = (
    b'{"commitInfo":{"timestamp":1,"operation":"WRITE"}}\n'
    b'{"txn":{"appId":"0123456789abcdef/readings/0","version":7,"lastUpdated":1}}\n'
    b'{"add":{"path":"date=2026-11-23/a.parquet","partitionValues":{"date":"2026-11-23"},"size":9,'
    b'"modificationTime":1,"dataChange":true,"stats":"{\\"numRecords\\":1}"}}\n'
)


@contextmanager
def _brokers(folder: Path) -> Iterator[Feed]:
    """Of the files in `brokers/` one has this content; the first byte chooses it."""
    brokers = folder / "brokers"
    Identity(brokers).release()
    kept = {file: file.read_bytes() for file in (brokers / "identity.json", brokers / "slot-0.json") if file.exists()}
    files = [brokers / "identity.json", brokers / "slot-0.json", brokers / "a.seen"]

    def feed(data: bytes) -> None:
        file = files[data[0] % len(files)] if data else files[0]
        file.write_bytes(data[1:])
        with suppress(DataDirError):
            Identity(brokers).release()
        Seen(brokers / "a.seen")
        for file, content in kept.items():
            file.write_bytes(content)

    yield feed


class _InMemory:
    """Objects that are kept in RAM: `store.objects.objects.Objects`."""

    url = "memory:"

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> None:
        self._kept[path] = data

    def create(self, path: str, data: bytes) -> bool:
        return self._kept.setdefault(path, data) is data

    def get(self, path: str) -> bytes | None:
        return self._kept.get(path)

    def list(self, prefix: str) -> list[str]:
        return sorted(path for path in self._kept if path.startswith(f"{prefix}/") or not prefix)

    def delete(self, path: str) -> None:
        self._kept.pop(path, None)

    discard = delete


@contextmanager
def _state(_: Path) -> Iterator[Feed]:
    """The saved state of a partition; the first byte chooses the kind."""
    index = SeriesIndex(_TABLE)
    for number in range(3):
        index.id_of(SeriesKey((("s", str(number)),), "m"), None)
    saved = PartitionState(_InMemory(), PARTITION)
    SavedSeries(saved, _SERIES_KIND).save(index, np.array([1, 2, 3]), np.array([7]), 1)
    columns = [("t", "measure", "double", "t")]
    entry = Entry("default", "db", "t", columns, [((("s", "1"),), "m", None)], {PARTITION: 1}, b"\0" * 8, b"rows")
    PendingRows(saved, PARTITION).save([entry], {PARTITION: 1})
    loads: dict[str, Callable[[PartitionState], object]] = {
        layout.PENDING_ROWS: lambda keep: PendingRows(keep, PARTITION).load(0),
        _SERIES_KIND: lambda keep: SavedSeries(keep, _SERIES_KIND).load(SeriesIndex(_TABLE)),
    }
    feeds = [_of_kind(saved, kind, load) for kind, load in loads.items()]

    yield lambda data: feeds[data[0] % len(feeds)](data[1:]) if data else None


def _of_kind(saved: PartitionState, kind: str, load: Callable[[PartitionState], object]) -> Feed:
    def take(content: bytes) -> None:
        keep = PartitionState(_InMemory(), PARTITION)
        keep.save(kind, 1, content)
        load(keep)

    document = saved.latest(kind)
    assert document is not None
    return msgpack(take, [document[1]])


DOORS = {
    "rule_state": Door(
        pure(msgpack(decode_state, golden("rules.state")), RuleSnapshotError), edits
    ),
    "catalog": Door(
        pure(
            in_json(lambda data: Document.decode(data, {}), golden("catalog.json")),
            *(ValueError, LookupError, TypeError, AttributeError, OverflowError),
        ),
        edits,
    ),
    "state": Door(_state, edits),
    "delta_commit": Door(pure(_commit), lambda: [_COMMIT]),
    "brokers": Door(_brokers, lambda: [b"\0" + golden("brokers.seen")[0], b'\1{"format_version": 1, "id": "00ff"}']),
    "dead_letter": Door(pure(msgpack(decode_dead_letters, golden("dead-letters*")), FrameError), edits),
    "tail_reply": Door(
        pure(msgpack(TailReply.decode, golden("tail-reply*")), msgspec.MsgspecError, ValueError, pa.ArrowException),
        edits,
    ),
    "tail_request": Door(
        pure(msgpack(TailRequest.decode, golden("tail-request*")), msgspec.MsgspecError, ValueError), edits
    ),
}  # fmt: skip
