"""The series of a table in one partition, with zones and last times, saved before each commit with its position.

Without them a start would have to read every row. Rows do not depend on them, because rows contain their dimensions; if
they are lost or damaged, they are rebuilt from the magnetic tier. They are valid for rows up to their offset: if they
are ahead of the magnetic tier, that does no harm, and if they are behind, they are not used. Keys are packed once, in
blocks, since every flush saves all of them.

One MessagePack array: [[[size, zstd of a block] …], last time of each series, superseded times, contents]; a block is
[[dimensions, measure name, zone] …], and a series is repeated in a later block if its zone has changed. The contents
(`store.catalog.contents`) are null if they are not known, and absent in files of earlier programs.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from store.catalog.contents import ByMeasureName, Contents
from store.errors import DamagedObject
from store.memory.newness import NEVER_NS
from store.objects.damage import Outcome, report
from store.record import Int64s, SeriesIndex, SeriesKey
from store.state.compressed import compressed, decompressed
from store.state.partition_state import PartitionState

_KEYS = msgspec.msgpack.Decoder(list[tuple[tuple[tuple[str, str], ...], str, str | None]])
_CONTENTS = msgspec.msgpack.Decoder(dict[str, Contents] | None)
_NIL = msgspec.msgpack.encode(None)


@dataclass(frozen=True, slots=True, eq=False)
class Persisted:
    """The saved series of a table: last time of each by id, superseded times, and the offset they are valid for.

    contents  None: not known
    """

    last_ns: Int64s
    superseded_ns: Int64s
    offset: int
    contents: ByMeasureName | None = None


class _State(msgspec.Struct, array_like=True):
    blocks: list[tuple[int, bytes]]
    last_ns: bytes
    superseded_ns: bytes
    contents: msgspec.Raw = msgspec.Raw(_NIL)


_STATE = msgspec.msgpack.Decoder(_State)


class SavedSeries:
    """The saved series of one table in one partition. One thread writes."""

    def __init__(self, keep: PartitionState, kind: str) -> None:
        self._keep = keep
        self._kind = kind
        self._contents: ByMeasureName | None = None
        self._encoded = _NIL
        self._left_out: Int64s = np.zeros(0, np.int64)  # series without rows, whose keys are not saved
        self._has_left_out = False
        self.restart()

    def load(self, index: SeriesIndex) -> Persisted | None:
        """Fill `index` and return the rest; None if nothing is saved, or if it is damaged."""
        try:
            kept = self._keep.latest(self._kind)
            if kept is None:
                return None
            offset, data = kept
            state = _STATE.decode(data)
            ids: list[int] = []  # in saved order: `index` may contain some of them already, in another order
            known: set[int] = set()
            for size, block in state.blocks:
                for dimensions, measure_name, zone in _KEYS.decode(decompressed(block, size)):
                    series = index.id_of(SeriesKey(dimensions, measure_name), zone)
                    if series not in known:
                        known.add(series)
                        ids.append(series)
            kept_ns, superseded_ns = (
                np.frombuffer(state.last_ns, np.int64),
                np.frombuffer(state.superseded_ns, np.int64),
            )
            contents = _CONTENTS.decode(state.contents)
        except (DamagedObject, msgspec.MsgspecError, ValueError, pa.ArrowException, OSError) as error:
            report("series", f"{self._kind}: {error}; they are made again from the table's rows", Outcome.MADE_AGAIN)
            return None
        if len(kept_ns) > len(ids):
            return None
        last_ns = np.full(len(index), NEVER_NS, np.int64)
        last_ns[ids[: len(kept_ns)]] = kept_ns
        return Persisted(last_ns, superseded_ns, offset, contents)

    def save(
        self,
        index: SeriesIndex,
        last_ns: Int64s,
        superseded_ns: Int64s,
        offset: int,
        contents: ByMeasureName | None = None,
    ) -> None:
        """Save everything durably, as valid for rows up to `offset`; `last_ns` has one entry for each series.

        `contents` are encoded again only if they are another object.
        """
        self._left_out = self._left_out[last_ns[self._left_out] == NEVER_NS]
        self._pack(index, len(last_ns))
        if contents is not self._contents:
            self._contents, self._encoded = contents, msgspec.msgpack.encode(contents)
        if self._has_left_out:
            last_ns = last_ns[self._packed]
        state = _State(self._blocks, last_ns.tobytes(), superseded_ns.tobytes(), msgspec.Raw(self._encoded))
        self._keep.save(self._kind, offset, msgspec.msgpack.encode(state))

    def restart(self, left_out: Int64s | None = None) -> None:
        """Make the next `save` pack every key; those of the series `left_out` only once they have rows again."""
        self._blocks: list[tuple[int, bytes]] = []
        self._packed: list[int] = []  # series in the order of their keys
        self._left_out = np.zeros(0, np.int64) if left_out is None else left_out
        self._has_left_out = bool(len(self._left_out))
        self._seen = 0  # series below it are packed, or left out
        self._zones: list[str | None] = []
        self._rezoned = 0

    def _pack(self, index: SeriesIndex, end: int) -> None:
        rezoned, zones = index.rezoned, index.zones[:end]
        left_out = set(self._left_out.tolist())
        new = [series for series in range(self._seen, end) if series not in left_out]
        if self._has_left_out:
            new = sorted({*range(end)} - left_out - set(self._packed))
        rows = list(new)
        if rezoned != self._rezoned:
            rows += [
                series for series, zone in enumerate(self._zones) if zone != zones[series] and series not in left_out
            ]
        if rows:
            keys = [(index.keys[i].dimensions, index.keys[i].measure_name, zones[i]) for i in rows]
            block = msgspec.msgpack.encode(keys)
            self._blocks.append((len(block), compressed(block)))
        self._packed += new
        self._seen, self._zones, self._rezoned = end, zones, rezoned
