"""Assembles a partition over an open store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.base import metrics
from pipeline.base.clock import Clock
from pipeline.base.errors import FrameError
from pipeline.log.frame import decode_frame
from pipeline.log.log import LogAdmin
from pipeline.log.topics import READINGS
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.progress import Progress
from pipeline.stream.rule_state import RuleState
from pipeline.stream.usage.metering import PartitionUsage
from store.partition_store import PartitionStore


def partition_over(
    store: PartitionStore,
    rules: RuleState,
    usage: PartitionUsage,
    routes: Sequence[Route],
    admin: LogAdmin,
    number: int,
    clock: Clock,
    over_storage: Callable[[str], str | None],
) -> Partition:
    """The partition `number`, ready to be read from the positions of store, rules and usage, which are loaded."""
    partition_id = admin.partition_id(READINGS, number)
    extent = admin.extent(READINGS, number)
    start = start_offset(store, rules, usage, admin, number)

    def first_arrival_ns(offset: int) -> int | None:
        return _first_arrival_ns(admin, offset, number)

    progress = Progress(
        lambda: admin.extent(READINGS, number).next_offset,
        first_arrival_ns,
        clock.wall_ns,
        applied_offset=(extent.first if start is None else start) - 1,
    )
    store.load_back.may_run = lambda: progress.has_replayed
    store.observe(lambda work, took_s: metrics.upkeep_seconds.labels(work).observe(took_s))
    normaliser = Normaliser(
        routes,
        store.registry,
        partition_id,
        store.measure_types,
        store.open_texts,
        store.asked_types,
        store.column_counts,
        store.limits,
        over_storage,
    )
    first = extent.first if start is None else start
    if usage.low_watermark is None:
        usage.begin(first)
    return Partition(number, partition_id, store, normaliser, rules, progress, first, usage=usage)


def _first_arrival_ns(admin: LogAdmin, offset: int, number: int) -> int | None:
    """When the first message of the frame at `offset` arrived."""
    messages = admin.read(READINGS, offset, 1, number)
    try:
        return decode_frame(messages[0].value).arrival_ns[0] if messages else None
    except FrameError:
        return None


def start_offset(
    store: PartitionStore, rules: RuleState, usage: PartitionUsage, admin: LogAdmin, number: int
) -> int | None:
    """Where reading begins: at the lowest position of store, rules and usage; None if nothing was ever read.

    Each of them skips what it has already.
    """
    partition_id = admin.partition_id(READINGS, number)
    replay_from = store.replay_from(partition_id)
    # a low watermark of 0 was never saved, or is lost: the rules read the whole log again
    low_watermark = rules.low_watermark or admin.extent(READINGS, number).first
    if replay_from is None:
        return None
    start = min(replay_from, low_watermark)
    return start if usage.low_watermark is None else min(start, usage.low_watermark)
