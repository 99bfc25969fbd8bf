"""Faults that are planted into the product, each of which the simulation must find within a number of seeds.

A plant replaces something of a module or a class for the time of a test; the product knows nothing of it. Worlds that
cannot show it, as nothing of the kind happens in them, are not simulated, but count. The seed that found it last is
simulated first; any other may find it when the product has changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pipeline.alerting.archive.alerts
import pipeline.alerting.receivers.sender
import pipeline.stream.partitions.making
import pipeline.stream.partitions.manager
import pipeline.stream.stages.readings_to_records
import pipeline.worker.upkeep
import rules.alerts.alert
import rules.silence.state
import rules.values.listening
import store.magnetic.delta_log
import store.magnetic.parquet
import store.memory.tier
import store.objects.objects
import store.table.compaction
import store.table.pending_rows
import store.table.standing
import store.table.table
import store.table.upsert
import store.upkeep
import tests.simulation.processes
from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.receivers.alerts_partition import AlertsPartition
from pipeline.base.arrival import ArrivalStamps
from pipeline.gateway.listener.receipts import Receipts
from pipeline.gateway.mqtt_to_readings import MqttToReadings
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.rule_state import RuleKeep
from pipeline.stream.writes import LogWriter
from store.log_progress import LogProgress
from store.magnetic.tier import MagneticTier
from store.memory.tier import Chunk
from store.state.pending_rows import PendingRows
from store.state.positions import Positions
from store.state.series import SavedSeries
from store.table.care import CaredFor
from store.table.core import Core
from store.table.incoming import NOTHING_STANDS
from store.table.progress import Progress
from store.table.series_state import SeriesState
from store.table.superseded import SupersededTimes
from store.table.table import Table
from tests.simulation import broken
from tests.simulation.knobs import Knobs
from tests.simulation.loop import NS

ACKNOWLEDGED = "is acknowledged(, and is not in the log| before)|an acknowledgement of nothing"
ONCE = "is in the log [0-9]+ times|an acknowledgement of nothing"
ROWS = "a query (misses|finds|fails)|the averages of zones|was answered"
VERDICTS = "was answered"
LETTERS = "dead letters, not"
ALERTS = "alert|the event .* is repeated"
DELIVERIES = "did not get|before the firing|again, which it had accepted|not settled"
LOG = "is read from|was trimmed|a query misses"
TRIMMED = "was trimmed|a query misses|alerts missing"
RESTS = "does not come to rest"
STARTS = "failed: |a query (misses|fails)|alerts missing"
"""Laws, by what is said when one is broken: several, where it depends on the seed which of them is seen first."""

Patch = tuple[Any, str, Any]
Where = Callable[[Knobs], bool]


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault: what it is, which law finds it, in how many seeds, in which worlds, and what is replaced by what.

    `first`: the seed that is tried before the others.
    """

    name: str
    law: str
    within: int
    where: Where
    patches: tuple[Patch, ...]
    first: int = 0

    def seeds(self) -> Iterator[int]:
        """The seeds whose worlds are simulated, in this order."""
        for seed in (self.first, *(seed for seed in range(self.within) if seed != self.first)):
            if self.where(Knobs.of(seed)):
                yield seed

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        with contextlib.ExitStack() as patches:
            for owner, name, value in self.patches:
                patches.enter_context(mock.patch.object(owner, name, value, create=name == "min"))
            yield


def plant(
    name: str,
    law: str,
    within: int,
    where: Where,
    owner: Any,
    attribute: str,
    make: Callable[[Any], Any],
    first: int = 0,
) -> Plant:
    """`make` is given what is there, and returns what takes its place."""
    return Plant(name, law, within, where, ((owner, attribute, make(getattr(owner, attribute, None))),), first)


def has(*kinds: str) -> Where:
    """Worlds with faults of one of these kinds; their end counts, too."""
    return lambda knobs: knobs.ending in kinds or any(kind in knobs.faults for kind in kinds)


def everywhere(_knobs: Knobs) -> bool:
    return True


CUTS = has("power", "power_at_sync")
KILLS = has("power", "power_at_sync", "kill", "kill_worker", "kill_at_sync", "kill_at_append")
REFUSED = has("full", "away")


def saves_pending_rows(knobs: Knobs) -> bool:
    return KILLS(knobs) and (store.upkeep, "MOST_FLUSHED_ALONE", 0) in knobs.constants


def has_slow_log(knobs: Knobs) -> bool:
    return KILLS(knobs) and max(knobs.log_latencies_s) > 0.1


def has_slow_log_and_appends(knobs: Knobs) -> bool:
    return has_slow_log(knobs) and "kill_at_append" in knobs.faults


def receivers_fail(knobs: Knobs) -> bool:
    return knobs.receiver_fails > 0


def timeless_and_killed(knobs: Knobs) -> bool:
    return KILLS(knobs) and knobs.timeless > 0


def has_slow_disk(knobs: Knobs) -> bool:
    return KILLS(knobs) and knobs.interleaves and knobs.disk_s > 0.1


def is_small(knobs: Knobs) -> bool:
    return knobs.memory_limit == 1


def cleans(knobs: Knobs) -> bool:
    return (store.upkeep, "CLEAN_EVERY_NS", NS // 4) in knobs.constants and KILLS(knobs)


def vacuums(knobs: Knobs) -> bool:
    return knobs.workers == 1 and (store.upkeep, "VACUUM_EVERY_NS", NS // 4) in knobs.constants


def has_workers(knobs: Knobs) -> bool:
    return knobs.workers > 1


def has_writers(knobs: Knobs) -> bool:
    return knobs.writers > 0


def sets_the_clock_back(knobs: Knobs) -> bool:
    return "step_clock" in knobs.faults and not knobs.has_restarts and receivers_fail(knobs)


PLANTS = (
    plant(
        "a message is acknowledged before it is appended",
        ACKNOWLEDGED,
        30,
        everywhere,
        MqttToReadings,
        "_close_batch",
        broken.acknowledges_first,
    ),
    plant(
        "a refused append counts as durable",
        ACKNOWLEDGED,
        80,
        REFUSED,
        MqttToReadings,
        "_answered",
        broken.takes_refusal_for_success,
    ),
    plant(
        "what the log refused is forgotten",
        RESTS,
        80,
        REFUSED,
        MqttToReadings,
        "_landed",
        broken.forgets_what_was_refused,
    ),
    plant("a refused append is not tried again", RESTS, 80, REFUSED, MqttToReadings, "_offer_again", broken.nothing),
    plant(
        "packet identifiers of QoS 2 are not kept",
        ONCE,
        60,
        everywhere,
        Receipts,
        "hold",
        broken.holds_nothing,
        first=2,
    ),
    plant(
        "a PUBREC is sent before the message is durable",
        ACKNOWLEDGED,
        30,
        everywhere,
        Receipts,
        "hold",
        broken.receives_before_it_is_durable,
        first=1,
    ),
    plant(
        "a PUBREL does not free its identifier",
        ACKNOWLEDGED,
        60,
        everywhere,
        Receipts,
        "release",
        lambda _: lambda *_: True,
        first=1,
    ),
    plant(
        "two messages have one arrival stamp",
        ROWS,
        300,
        lambda knobs: knobs.timeless > 0,
        ArrivalStamps,
        "take",
        lambda _: lambda stamps, _count=1: stamps._wall_ns(),
        first=113,
    ),
    plant(
        "a torn frame is taken",
        LETTERS,
        150,
        has("damage_next"),
        pipeline.stream.stages.readings_to_records,
        "decode_frame",
        broken.takes_torn_frames,
    ),
    plant(
        "dead letters are not waited for",
        LETTERS,
        600,
        has_slow_log,
        tests.simulation.processes.WorkerProcess,
        "_appending",
        broken.does_not_wait_for_dead_letters,
        first=136,
    ),
    plant(
        "a dead letter gets another id in a replay",
        LETTERS,
        60,
        KILLS,
        Normaliser,
        "_dead_letter",
        broken.new_letter_ids,
        first=8,
    ),
    Plant(
        "a replay begins one frame too late",
        LOG,
        30,
        KILLS,
        tuple(
            (module, "start_offset", broken.one_later(module.start_offset))
            for module in (pipeline.stream.partitions.making, pipeline.stream.partitions.manager)
        ),
    ),
    plant(
        "an alert's id is not that of its onset",
        ALERTS,
        30,
        everywhere,
        rules.alerts.alert,
        "alert_id",
        broken.random_alert_ids,
    ),
    plant(
        "the log is trimmed to the highest position",
        TRIMMED,
        60,
        KILLS,
        pipeline.worker.upkeep,
        "min",
        lambda _: max,
        first=5,
    ),
    plant(
        "a delivery is noted before it is posted",
        DELIVERIES,
        60,
        receivers_fail,
        pipeline.alerting.receivers.sender._Line,
        "_deliver",
        broken.notes_before_it_posts,
        first=15,
    ),
    plant(
        "no answer counts as delivered",
        DELIVERIES,
        120,
        receivers_fail,
        pipeline.alerting.receivers.sender,
        "judge",
        broken.silence_is_success,
        first=33,
    ),
    plant(
        "a failed delivery counts as delivered",
        DELIVERIES,
        120,
        receivers_fail,
        pipeline.alerting.receivers.sender,
        "judge",
        broken.failure_is_success,
        first=32,
    ),
    plant(
        "one receiver settles for all",
        DELIVERIES,
        60,
        lambda knobs: knobs.receivers == 2,
        AlertArchive,
        "_settle",
        broken.settles_for_all,
        first=11,
    ),
    plant(
        "resolved may come before firing",
        DELIVERIES,
        120,
        everywhere,
        pipeline.alerting.archive.alerts,
        "_DUE",
        lambda there: there.replace("e.seq < d.seq", "false"),
        first=16,
    ),
    plant(
        "the archive's position is one too high",
        RESTS,
        30,
        everywhere,
        pipeline.alerting.archive.alerts,
        "advance",
        lambda there: lambda db, partition, offset: there(db, partition, offset + 1),
    ),
    plant(
        "an object is not synced",
        STARTS,
        60,
        CUTS,
        store.objects.objects,
        "write_durably",
        lambda _: lambda path, data: path.write_bytes(data),
    ),
    plant(
        "the name of an object is not synced",
        STARTS,
        120,
        CUTS,
        store.objects.objects,
        "fsync_folder",
        broken.nothing,
        first=24,
    ),
    plant("a commit is not synced", STARTS, 60, CUTS, MagneticTier, "_sync_to", broken.nothing, first=15),
    plant(
        "positions are ahead of the data",
        ROWS,
        120,
        KILLS,
        CaredFor,
        "undurable",
        lambda _: lambda _table: {},
        first=10,
    ),
    plant(
        "the low watermark is one too high",
        ROWS,
        60,
        KILLS,
        Positions,
        "save",
        broken.low_watermark_one_higher,
        first=10,
    ),
    plant("what is applied is counted one too high", ROWS, 60, KILLS, LogProgress, "advance", broken.one_more),
    plant("a commit's position is one too high", ROWS, 60, everywhere, Core, "cut", broken.cuts_one_too_far),
    plant("pending rows are not loaded", ROWS, 60, saves_pending_rows, PendingRows, "load", lambda _: lambda *_: {}),
    plant("superseded times are not saved", ROWS, 100, KILLS, SavedSeries, "save", broken.saves_no_superseded_times),
    plant(
        "rows are told apart by their time alone",
        ROWS,
        60,
        everywhere,
        store.table.upsert,
        "_keys",
        broken.knows_times_only,
    ),
    plant(
        "rules are ahead of their alerts",
        ALERTS,
        1000,
        has_slow_log_and_appends,
        tests.simulation.processes,
        "records_to_alerts",
        broken.evaluates_unlocked,
        first=245,
    ),
    plant(
        "a torn commit is taken",
        STARTS,
        800,
        has("power_at_sync"),
        store.magnetic.delta_log,
        "repair",
        lambda _: lambda _folder: [],
        first=1866,
    ),
    plant("a data file is not synced", ROWS, 100, CUTS, store.magnetic.parquet, "fsync_file", broken.nothing, first=7),
    plant(
        "a record is applied twice",
        ROWS,
        300,
        timeless_and_killed,
        Table,
        "covered_to",
        lambda _: lambda *_: -1,
        first=59,
    ),
    plant(
        "rows that came during a flush are forgotten",
        ROWS,
        200,
        has_slow_disk,
        Progress,
        "flushed",
        broken.forgets_rows_during_a_flush,
        first=33,
    ),
    plant(
        "the last pending row is lost",
        ROWS,
        100,
        saves_pending_rows,
        store.table.pending_rows,
        "_to_bytes",
        lambda there: lambda rows: there(rows.slice(0, rows.num_rows - 1)),
    ),
    plant(
        "a new series is not saved",
        ROWS,
        300,
        KILLS,
        SavedSeries,
        "save",
        broken.saves_series_without_the_newest,
        first=15,
    ),
    plant("rows are evicted before they are flushed", ROWS, 60, KILLS, Chunk, "is_covered", lambda _: lambda *_: True),
    plant(
        "stored rows are not looked up",
        ROWS,
        60,
        everywhere,
        store.table.table,
        "find_standing",
        lambda _: lambda *_: NOTHING_STANDS,
    ),
    plant("the older value wins", ROWS, 60, everywhere, store.table.upsert, "merge", broken.older_values_win),
    plant(
        "a compaction keeps the older row",
        ROWS,
        100,
        cleans,
        store.table.compaction,
        "_NEWEST_FIRST",
        lambda there: there.replace("DESC", "ASC"),
        first=218,
    ),
    plant(
        "deliveries are due by the host's clock",
        RESTS,
        1000,
        sets_the_clock_back,
        AlertsPartition,
        "__init__",
        broken.by_the_hosts_clock,
        first=231,
    ),
    plant("superseded times are not marked", ROWS, 60, everywhere, SupersededTimes, "add", broken.nothing),
    plant("the rules' state is not loaded", ALERTS, 120, KILLS, RuleKeep, "blocks", lambda _: lambda *_: (), first=13),
    plant("the rules' state is not saved", ALERTS, 120, KILLS, RuleKeep, "save", lambda _: lambda *_: 0, first=13),
    plant(
        "what was heard is not restored",
        ALERTS,
        200,
        lambda knobs: knobs.ticks and KILLS(knobs),
        rules.silence.state,
        "_restore_hearing",
        broken.nothing,
        first=19,
    ),
    plant(
        "time in which nobody listened counts",
        ALERTS,
        400,
        lambda knobs: knobs.ticks and has("kill_gateway", "power", "full")(knobs),
        rules.values.listening,
        "_length",
        lambda _: lambda *_: 0,
        first=19,
    ),
    plant(
        "the log is trimmed one frame too far",
        LOG,
        60,
        KILLS,
        pipeline.worker.upkeep.Trimmer,
        "_trim",
        broken.trims_one_too_far,
        first=5,
    ),
    plant(
        "files in use are deleted", ROWS + "|failed: ", 60, vacuums, Core, "versions_in_use", lambda _: lambda _core: []
    ),
    plant(
        "pending rows count as saved before they are",
        ROWS,
        100,
        saves_pending_rows,
        PendingRows,
        "save",
        broken.nothing,
    ),
    plant(
        "late rows are not looked for in files",
        ROWS,
        200,
        KILLS,
        store.table.standing,
        "_find_magnetic",
        lambda _: lambda *_: [],
        first=15,
    ),
    plant("last times are not loaded", ROWS, 100, KILLS, SeriesState, "restore", lambda _: lambda *_: None, first=15),
    plant("a fenced worker goes on", ROWS, 400, has_workers, MagneticTier, "_check", broken.nothing, first=47),
    plant(
        "a request is answered before it is applied",
        VERDICTS,
        60,
        has_writers,
        LogWriter,
        "_write",
        broken.answers_first,
        first=10,
    ),
    plant(
        "versions of records do not count",
        ROWS,
        60,
        has_writers,
        store.table.upsert,
        "judge",
        broken.ignores_versions,
        first=10,
    ),
    plant(
        "what is evicted is not known",
        ROWS,
        200,
        is_small,
        store.memory.tier.MemoryTier,
        "evict",
        broken.forgets_what_it_evicts,
        first=15,
    ),
)
