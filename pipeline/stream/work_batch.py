"""What the in-process channel between normalise, store and rules carries."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.log.deleting import Delete
from pipeline.log.query_use import QueryUse
from pipeline.stream.normalise.texts import TypeDecision
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.words import Word
from store.record import RecordBatch


@dataclass(frozen=True, slots=True)
class WorkBatch:
    """The records of all frames of `partition` up to and including `offset`, after those of the previous batch.

    batches            one per table and request, in log order; may be empty (only dead letters)
    decisions          of normalise, about measures that arrived as text
    newest_arrival_ns  when the gateway received the newest of these messages; 0 if there are none
    words              for the rules, between these messages: each with its offset in the log, up to `offset`
    uses               by queries, as told in the log between these messages: as `words`
    delete             a DELETE of rows before it, at `offset`
    """

    partition: Partition
    offset: int
    batches: tuple[RecordBatch, ...]
    newest_arrival_ns: int
    decisions: tuple[TypeDecision, ...] = ()
    words: tuple[tuple[int, Word], ...] = ()
    uses: tuple[tuple[int, QueryUse], ...] = ()
    delete: Delete | None = None
