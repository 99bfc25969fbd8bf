"""The usage of one partition: counted from its log, kept with its position next to the magnetic tier.

The log is kept from the saved position on, and read again from there after a kill: what was saved is not counted again,
what was not is counted then. Bytes times seconds of the tiers are added at each sample, from the
time of the last one that was saved, so that is not counted twice either; the magnetic tier stores while nothing runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from msgspec.structs import replace

from pipeline.log.query_use import QueryUse
from pipeline.stream.usage.counts import DAY_NS, Counts, Stored, UsagePart, Use, names_of, spread
from store.errors import DamagedObject
from store.names import TableId
from store.objects.damage import Outcome, report
from store.record import RecordBatch
from store.record_size import SeriesSizes, written_bytes
from store.state.partition_state import PartitionState

KIND = "usage"
SAVE_AFTER_S = 15.0  # a restart counts again what was counted since
SAMPLE_EVERY_S = 15.0
_WORDS_KEPT_NS = DAY_NS  # a word is in the log twice within minutes


class _Saved(msgspec.Struct, array_like=True):
    """The saved form: of all offsets below that of its name."""

    sampled_ns: int
    words: dict[str, tuple[int, int]]  # of a worker: the number of its last word, and its time
    uses: list[tuple[int, tuple[str, str, str], Use]]


_decoder = msgspec.msgpack.Decoder(_Saved)


class PartitionUsage:
    """The counts of one partition. The worker's event loop changes it; other threads read `part`."""

    def __init__(self, state: PartitionState | None = None) -> None:
        """Empty; None: it is not saved."""
        self._state = state
        self._lock = threading.Lock()
        self._counts = Counts()
        self._sizes = SeriesSizes()
        self._words: dict[str, tuple[int, int]] = {}
        self._sampled_ns = 0
        self._seen_ns = 0  # of the last sample in this process
        self._saved_s: float | None = None
        self._next = 0  # the first offset that is not counted
        self.low_watermark: int | None = None  # what is saved has all offsets below it; None: nothing is

    # Its saved state

    def load(self, former: PartitionState | None = None) -> None:
        """Load what is saved; or else the counts of `former`, whose log is lost, and `begin` must follow."""
        found = None if self._state is None else _latest(self._state)
        inherited = None if found is not None or former is None else _latest(former)
        for _, saved in filter(None, (found, inherited)):
            self._sampled_ns = saved.sampled_ns
            for day, names, use in saved.uses:
                self._counts.of(day, TableId(*names)).add(use)
        if found is not None:
            self._next = self.low_watermark = found[0]
            self._words = dict(found[1].words)

    def begin(self, offset: int) -> None:
        """Count from `offset` on, as nothing was saved; it is saved, so that a kill does not move it."""
        self._next = offset
        self.save()

    def save(self) -> None:
        """Save it, if the position has moved. Blocks."""
        if self._state is None:
            return
        with self._lock:
            offset = self._next
            uses = [(day, names_of(table), use) for day, table, use in self._counts.entries()]
            data = msgspec.msgpack.encode(_Saved(self._sampled_ns, self._words, uses))
        self._state.save(KIND, offset, data)
        self.low_watermark = offset

    def is_due(self, now_s: float) -> bool:
        """Whether it should be saved now."""
        if self._saved_s is None or now_s - self._saved_s >= SAVE_AFTER_S:
            is_first, self._saved_s = self._saved_s is None, now_s
            return not is_first and self._next != self.low_watermark
        return False

    # What is counted

    def count(self, offset: int, batches: Iterable[RecordBatch], words: Iterable[tuple[int, QueryUse]] = ()) -> None:
        """Count everything of frames up to and including `offset` that is not counted yet."""
        if offset < self._next:
            return
        with self._lock:
            for batch in batches:
                self._write(_beyond(batch, self._next))
            for at, word in words:
                if at >= self._next:
                    self._ask(word)
            self._next = offset + 1

    def _write(self, batch: RecordBatch) -> None:
        if not len(batch):
            return
        first, last = int(batch.arrival_ns.min()) // DAY_NS, int(batch.arrival_ns.max()) // DAY_NS
        if first == last:
            self._write_on(first, batch)
            return
        days = batch.arrival_ns // DAY_NS
        for day in np.unique(days):
            self._write_on(int(day), batch.take(np.flatnonzero(days == day)))

    def _write_on(self, day: int, batch: RecordBatch) -> None:
        use = self._counts.of(day, batch.table)
        use.records += len(batch)
        use.written_bytes += written_bytes(batch, self._sizes)

    def _ask(self, word: QueryUse) -> None:
        if word.number <= self._words.get(word.worker, (-1, 0))[0]:
            return
        self._words[word.worker] = word.number, word.at_ns
        for scan in word.scans:
            use = self._counts.of(scan.day, TableId(scan.account, scan.database, scan.table))
            use.queries += scan.queries
            use.scanned_bytes += scan.scanned_bytes
            use.metered_bytes += scan.metered_bytes

    def sample(self, now_ns: int, stored: Mapping[TableId, Stored]) -> None:
        """Tables have these bytes now, and had them since the last sample, in RAM only if that was of this process."""
        with self._lock:
            since_ns = min(self._sampled_ns or now_ns, now_ns)
            of_memory = self._seen_ns > 0
            for day, seconds in spread(since_ns, now_ns):
                for table, of in stored.items():
                    use = self._counts.of(day, table)
                    use.memory_byte_s += of.memory_bytes * seconds if of_memory else 0.0
                    use.magnetic_byte_s += of.magnetic_bytes * seconds
            self._sampled_ns = self._seen_ns = now_ns
            self._counts.age(now_ns // DAY_NS)
            self._words = {name: of for name, of in self._words.items() if of[1] > now_ns - _WORDS_KEPT_NS}

    def part(self, stored: Mapping[TableId, Stored]) -> UsagePart:
        """What is counted, beside what is `stored` now. Any thread."""
        with self._lock:
            uses = [(day, names_of(table), replace(use)) for day, table, use in self._counts.entries()]
        return UsagePart(uses, [(names_of(table), of) for table, of in stored.items()])


def _beyond(batch: RecordBatch, first: int) -> RecordBatch:
    """The rows of frames from `first` on."""
    if not len(batch) or batch.offset[0] >= first:
        return batch
    return batch.take(np.flatnonzero(batch.offset >= first))


def _latest(state: PartitionState) -> tuple[int, _Saved] | None:
    """What is saved; None if that is nothing, or is damaged, which is logged."""
    try:
        kept = state.latest(KIND)
        return None if kept is None else (kept[0], _decoder.decode(kept[1]))
    except (DamagedObject, msgspec.MsgspecError) as error:
        report("usage", f"the usage of a partition before now is not known any more: {error}", Outcome.LOST)
        state.forget(KIND)
        return None
