"""What a seed chooses for its world: sizes, limits, which faults and how many of each.

Each world has a few kinds of fault only, some of them often: all of all kinds in every world would hide each other.
Limits of the product are made small here, so that what happens daily in a house happens in a minute.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Self

import store.memory.tier
import store.table.vacuum
import store.upkeep
from pipeline.stream.stages import readings_to_records
from store.magnetic import compaction_plan
from tests.simulation.loop import NS

OF_GROUP = ("kill_worker", "kill_at_append", "kill_at_sync", "away", "rebalance", "rebalance", "leave_out", "leave_out")
"""With several workers on Kafka."""
FAULTS = (
    "kill_gateway",
    "kill_worker",
    "kill_at_sync",
    "kill_at_append",
    "power",
    "power_at_sync",
    "disk_fails",
    "lose_connection",
    "full",
    "step_clock",
    "damage_next",
)

ENDS_WORKERS = {"kill_worker", "kill_at_sync", "kill_at_append", "power", "power_at_sync", "disk_fails"}


@dataclass(frozen=True, slots=True)
class Knobs:
    """`constants`: of modules of the product, by owner, name and value. `ending`: what comes after the calm."""

    devices: int
    timeless: int
    writers: int
    workers: int
    partitions: int
    storm_s: float
    faults: dict[str, int]
    ending: str | None
    close_after_s: float
    ack_batch: int
    most_waiting: int
    memory_limit: int
    maintain_every_s: float
    rules_every_s: float
    rules_look_s: float
    trim_every_s: float
    receivers: int
    receiver_fails: float
    interleaves: bool
    disk_s: float
    thread_latencies_s: tuple[float, ...]
    log_latencies_s: tuple[float, ...]
    constants: list[tuple[Any, str, Any]]
    ticks: bool = False
    slow_reads_s: float = 0.0

    @property
    def has_restarts(self) -> bool:
        """Whether a worker may end, and another one starts with what it left."""
        return self.ending is not None or bool(self.faults.keys() & ENDS_WORKERS)

    @classmethod
    def of(cls, seed: int) -> Self:
        """The choice of this seed. In every fifth world the gateway ticks, in every third reading begins slowly."""
        drawn = cls.drawn(random.Random(f"{seed} knobs"))
        is_slow = "leave_out" in drawn.faults and seed % 3 == 2
        return replace(drawn, ticks=seed % 5 == 4, slow_reads_s=0.3 if is_slow else 0.0)

    @classmethod
    def drawn(cls, rng: random.Random) -> Self:
        """The choice of one seed."""
        workers = 2 if rng.random() < 0.15 else 1
        kinds = rng.sample(FAULTS if workers == 1 else OF_GROUP, rng.choice((1, 2, 2)))
        faults = Counter(rng.choice(kinds) for _ in range(rng.choice((1, 2, 3))))
        flush_s = rng.choice((0.8, 1.6))
        is_small = rng.random() < 0.3
        upkeep = store.upkeep
        return cls(
            devices=rng.choice((1, 2, 2, 3)),
            timeless=rng.choice((0, 0, 1)),
            writers=rng.choice((0, 0, 1, 2)),
            workers=workers,
            partitions=workers,
            storm_s=rng.choice((1.5, 2.5)),
            faults={**faults, "ask": rng.choice((0, 0, 1))},
            ending=rng.choice((None, "kill", "power", "stop")) if workers == 1 else None,
            close_after_s=rng.choice((0.02, 0.02, 0.2)),
            ack_batch=rng.choice((2, 5, 1000)),
            most_waiting=rng.choice((3, 50_000)),
            memory_limit=1 if is_small else 1 << 28,
            maintain_every_s=rng.choice((0.7, 1.2)),
            rules_every_s=rng.choice((0.3, 0.8, 2.0)),
            rules_look_s=2.0,
            trim_every_s=rng.choice((0.5, 2.0)),
            receivers=rng.choice((1, 1, 2)),
            receiver_fails=rng.choice((0.0, 0.3, 0.6)),
            interleaves=rng.random() < 0.6,
            disk_s=rng.choice((0.05, 0.05, 0.6)),
            thread_latencies_s=(0.01, 0.1, 0.4) if rng.random() < 0.2 else (0.0001, 0.001, 0.01, 0.05),
            log_latencies_s=(0.1, 0.8)
            if rng.random() < (0.5 if "kill_at_append" in kinds else 0.2)
            else (0.0005, 0.002, 0.02),
            constants=[
                (upkeep, "FLUSH_AFTER_NS", int(flush_s * NS)),
                (upkeep, "POSITIONS_EVERY_NS", rng.choice((1, 3)) * NS),
                (upkeep, "LOOK_EVERY_NS", 3 * NS),
                (upkeep, "MERGE_EVERY_NS", rng.choice((NS // 4, 1000 * NS))),
                (upkeep, "CLEAN_EVERY_NS", rng.choice((NS // 4, 1000 * NS))),
                (upkeep, "VACUUM_EVERY_NS", rng.choice((NS // 4, 1000 * NS))),
                (upkeep, "RETAIN_EVERY_NS", rng.choice((NS // 4, 1000 * NS))),
                (upkeep, "MOST_FLUSHED_ALONE", rng.choice((150, 150, 0))),
                (compaction_plan, "FANOUT", rng.choice((2, 20))),
                (compaction_plan, "QUIET_NS", rng.choice((NS, 21_600 * NS))),
                (readings_to_records, "WITHIN_S", 0.1 if workers == 1 else rng.choice((0.1, 0.5))),
                # with other writers a version is refreshed well within the time for which unused files are kept
                (store.table.vacuum, "KEEP_NS", NS // 2 if workers == 1 else 3600 * NS),
                (store.memory.tier, "CHUNK_ROWS", 8 if is_small else 122_880),
            ],
        )
