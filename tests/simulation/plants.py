"""Faults that are planted into the product, each of which the simulation must find within a number of seeds.

A plant replaces something of a module or a class for the time of a test; the product knows nothing of it. Worlds that
cannot show it, as nothing of the kind happens in them, are not simulated, but count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pipeline.alerting.archive.alerts
import pipeline.alerting.webhooks.sender
import pipeline.stream.partitions.making
import pipeline.stream.partitions.manager
import pipeline.stream.stages.readings_to_records
import pipeline.worker.upkeep
import rules.block
import store.magnetic.delta_log
import store.magnetic.parquet
import store.objects.objects
import store.table.compaction
import store.table.pending_rows
import store.table.table
import store.table.upsert
import store.upkeep
import tests.simulation.processes
from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.base.arrival import ArrivalStamps
from pipeline.gateway.listener.receipts import Receipts
from pipeline.gateway.mqtt_to_readings import MqttToReadings
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.rule_state import RuleState
from store.log_progress import LogProgress
from store.magnetic.tier import MagneticTier
from store.state.pending_rows import PendingRows
from store.state.positions import Positions
from store.state.series import SavedSeries
from store.table.care import CaredFor
from store.table.core import Core
from tests.simulation import broken
from tests.simulation.knobs import Knobs

Patch = tuple[Any, str, Any]
Where = Callable[[Knobs], bool]


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault: what it is, in how many seeds it must be found, in which worlds, and what is replaced by what."""

    name: str
    within: int
    where: Where
    patches: tuple[Patch, ...]

    def seeds(self) -> Iterator[int]:
        """The seeds whose worlds are simulated."""
        for seed in range(self.within):
            if self.where(Knobs.of(seed)):
                yield seed

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        with contextlib.ExitStack() as patches:
            for owner, name, value in self.patches:
                patches.enter_context(mock.patch.object(owner, name, value, create=name == "min"))
            yield


def plant(name: str, within: int, where: Where, owner: Any, attribute: str, make: Callable[[Any], Any]) -> Plant:
    """`make` is given what is there, and returns what takes its place."""
    return Plant(name, within, where, ((owner, attribute, make(getattr(owner, attribute, None))),))


def has(*kinds: str) -> Where:
    """Worlds with faults of one of these kinds; their end counts, too."""
    return lambda knobs: knobs.ending in kinds or any(kind in knobs.faults for kind in kinds)


def everywhere(_knobs: Knobs) -> bool:
    return True


CUTS = has("power", "power_at_sync")
KILLS = has("power", "power_at_sync", "kill", "kill_worker", "kill_at_sync")
REFUSED = has("full", "away")


def saves_pending_rows(knobs: Knobs) -> bool:
    return KILLS(knobs) and (store.upkeep, "MOST_FLUSHED_ALONE", 0) in knobs.constants


def has_slow_threads(knobs: Knobs) -> bool:
    return KILLS(knobs) and max(knobs.thread_latencies_s) > 0.1


def has_slow_log(knobs: Knobs) -> bool:
    return KILLS(knobs) and max(knobs.log_latencies_s) > 0.1


def receivers_fail(knobs: Knobs) -> bool:
    return knobs.receiver_fails > 0


PLANTS = (
    plant(
        "a message is acknowledged before it is appended",
        30,
        everywhere,
        MqttToReadings,
        "_close_batch",
        broken.acknowledges_first,
    ),
    plant(
        "a refused append counts as durable", 80, REFUSED, MqttToReadings, "_answered", broken.takes_refusal_for_success
    ),
    plant("what the log refused is forgotten", 80, REFUSED, MqttToReadings, "_landed", broken.forgets_what_was_refused),
    plant("a refused append is not tried again", 80, REFUSED, MqttToReadings, "_offer_again", broken.nothing),
    plant("packet identifiers of QoS 2 are not kept", 60, everywhere, Receipts, "hold", broken.holds_nothing),
    plant(
        "a PUBREC is sent before the message is durable",
        30,
        everywhere,
        Receipts,
        "hold",
        broken.receives_before_it_is_durable,
    ),
    plant("a PUBREL does not free its identifier", 60, everywhere, Receipts, "release", lambda _: lambda *_: True),
    plant(
        "two messages have one arrival stamp",
        150,
        lambda knobs: knobs.timeless > 0,
        ArrivalStamps,
        "take",
        lambda _: lambda stamps, _count=1: stamps._wall_ns(),
    ),
    plant(
        "a torn frame is taken",
        150,
        has("damage_next"),
        pipeline.stream.stages.readings_to_records,
        "decode_frame",
        broken.takes_torn_frames,
    ),
    plant(
        "dead letters are not waited for",
        1000,
        has_slow_log,
        tests.simulation.processes.WorkerProcess,
        "_appending",
        broken.does_not_wait_for_dead_letters,
    ),
    plant("a dead letter gets another id in a replay", 60, KILLS, Normaliser, "_dead_letter", broken.new_letter_ids),
    Plant(
        "a replay begins one frame too late",
        30,
        KILLS,
        tuple(
            (module, "start_offset", broken.one_later(module.start_offset))
            for module in (pipeline.stream.partitions.making, pipeline.stream.partitions.manager)
        ),
    ),
    plant("an alert's id is not that of its onset", 30, everywhere, rules.block, "alert_id", broken.random_alert_ids),
    plant(
        "the rules' low watermark is that of the end of the pass",
        1000,
        has_slow_threads,
        RuleState,
        "save_pass",
        broken.saves_where_the_pass_ended,
    ),
    plant("the log is trimmed to the highest position", 60, KILLS, pipeline.worker.upkeep, "min", lambda _: max),
    plant(
        "a delivery is noted before it is posted",
        60,
        receivers_fail,
        pipeline.alerting.webhooks.sender._Line,
        "_deliver",
        broken.notes_before_it_posts,
    ),
    plant(
        "no answer counts as delivered",
        60,
        receivers_fail,
        pipeline.alerting.webhooks.sender,
        "judge",
        broken.silence_is_success,
    ),
    plant(
        "a failed delivery counts as delivered",
        60,
        receivers_fail,
        pipeline.alerting.webhooks.sender,
        "judge",
        broken.failure_is_success,
    ),
    plant(
        "one receiver settles for all",
        60,
        lambda knobs: knobs.receivers == 2,
        AlertArchive,
        "_settle",
        broken.settles_for_all,
    ),
    plant(
        "resolved may come before firing",
        60,
        everywhere,
        pipeline.alerting.archive.alerts,
        "_DUE",
        lambda there: there.replace("e.seq < d.seq", "false"),
    ),
    plant(
        "the archive's position is one too high",
        30,
        everywhere,
        pipeline.alerting.archive.alerts,
        "advance",
        lambda there: lambda db, partition, offset: there(db, partition, offset + 1),
    ),
    plant(
        "an object is not synced",
        60,
        CUTS,
        store.objects.objects,
        "write_durably",
        lambda _: lambda path, data: path.write_bytes(data),
    ),
    plant("the name of an object is not synced", 60, CUTS, store.objects.objects, "fsync_folder", broken.nothing),
    plant("a commit is not synced", 60, CUTS, MagneticTier, "_sync_to", broken.nothing),
    plant("positions are ahead of the data", 120, KILLS, CaredFor, "undurable", lambda _: lambda _table: {}),
    plant("the low watermark is one too high", 60, KILLS, Positions, "save", broken.low_watermark_one_higher),
    plant("what is applied is counted one too high", 60, KILLS, LogProgress, "advance", broken.one_more),
    plant("a commit's position is one too high", 60, everywhere, Core, "cut", broken.cuts_one_too_far),
    plant("pending rows are not loaded", 60, saves_pending_rows, PendingRows, "load", lambda _: lambda *_: {}),
    plant("superseded times are not saved", 100, KILLS, SavedSeries, "save", broken.saves_no_superseded_times),
    plant(
        "rows are told apart by their time alone", 60, everywhere, store.table.upsert, "_keys", broken.knows_times_only
    ),
)
