"""However far a new data_dir has come when it is stopped or killed, it starts again and has what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.base.layout import prepare
from pipeline.base.lock import sole
from pipeline.config.load import load_config
from pipeline.gateway.brokers.identity import Identity
from pipeline.log import lock_worker, open_admin
from pipeline.log.dead_letter import decode_dead_letters, encode_dead_letters
from pipeline.log.embedded.folder import folder_of, open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.frame import FrameKind, decode_frame, encode_frame
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.stream.partitions.manager import PartitionManager
from pipeline.stream.rule_files import read_rules
from pipeline.worker.upkeep import Trimmer
from rules import to_event
from store.catalog.catalog import TableSettings
from store.partition_store import PartitionStore
from store.record import TableId
from store.table.vacuum import KEEP_NS
from tests.support.stopped_states import StoppedStates
from tests.support.tables import inside, save_pending_rows

NOW_NS = 1_795_000_000_000_000_000
CONFIG = """
data_dir: data
tables:
  - {name: farm.climate, topics: "farm/{sensor}"}
  - {name: farm.water, topics: "water/{sensor}"}
rules: [rules.yaml]
"""
RULES = """
groups:
  - {name: g, table: farm.climate, rules: [{alert: Hot, measure: n, range: {max: 1000000}, for: 1h}]}
"""
CLIMATE, MADE = TableId("default", "farm", "climate"), TableId("default", "made", "by_hand")


class Life:
    """A data_dir at work as a gateway and a worker have it, in one process and step by step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "streamgauge.yaml").write_text(CONFIG)
        (folder / "rules.yaml").write_text(RULES)
        self.config = load_config(folder / "streamgauge.yaml")
        self.held = contextlib.ExitStack()
        self.acknowledged: list[int] = []  # numbers of readings, and of dead letters as negative ones

    def note(self) -> tuple[int, ...]:
        return tuple(self.acknowledged)

    # A gateway

    def publish(self, mqtt_topic: str, number: int) -> None:
        """Acknowledge a message: number ≥ 0 a reading, else one that nothing can be made of."""
        payload = b"[" if number < 0 else orjson.dumps({"n": number})
        frame = encode_frame(FrameKind.MQTT, [NOW_NS + abs(number)], ["default"], [mqtt_topic], [payload])
        self._append(READINGS, frame)
        self.acknowledged.append(number)

    def _append(self, topic: str, value: bytes) -> None:
        with contextlib.closing(TopicFile(open_folder(folder_of(self.config.log_settings.url)), topic)) as file:
            file.append([(0, value)])

    # A worker

    def begin(self) -> None:
        layout = self.config.layout
        prepare(layout)
        self.held.enter_context(sole(layout.up_lock))
        Identity(layout.brokers).release()
        self.held.enter_context(sole(layout.worker_lock))
        self.held.enter_context(lock_worker(self.config.log_settings))
        self.admin = open_admin(self.config.log_settings)
        self.held.callback(self.admin.close)
        self.partitions = PartitionManager(self.config, self.admin, read_rules(self.config.rule_files)[0])
        self.held.callback(self.partitions.close)
        asyncio.run(self.partitions.assigned({0}))
        self.alerts, self.dead_letters = AlertArchive(layout.alerts), DeadLetterArchive(layout.dead_letters)
        self.held.callback(self.alerts.close)
        self.held.callback(self.dead_letters.close)
        self.partition = next(iter(self.partitions.owned))

    @property
    def store(self) -> PartitionStore:
        return self.partition.store

    def work_off(self) -> None:
        """All that the log holds."""
        partition = self.partition
        for message in self.admin.read(READINGS, partition.next_offset, 1000):
            normalised = partition.normaliser.normalise(decode_frame(message.value), message.offset)
            if normalised.dead_letters:
                self._append(DEAD_LETTERS, encode_dead_letters(normalised.dead_letters))
            for batch in normalised.batches:
                self.store.apply(batch)
            self.store.advance(partition.id, message.offset)
            raised = [one for batch in normalised.batches for one in partition.rules.engine.evaluate(batch)]
            if raised:
                self._append(ALERTS, orjson.dumps([to_event(transition) for transition in raised]))
            partition.rules.evaluated(message.offset)
            partition.next_offset = message.offset + 1
        partition_id = self.admin.partition_id(DEAD_LETTERS)
        for message in self.admin.read(DEAD_LETTERS, self.dead_letters.next_offset(partition_id) or 0, 1000):
            self.dead_letters.accept(partition_id, message.offset, decode_dead_letters(message.value).letters)

    def save(self) -> None:
        """As at an end by SIGTERM."""
        self.store.flush()
        asyncio.run(self.partition.rules.save_pass())
        archives = {ALERTS: self.alerts, DEAD_LETTERS: self.dead_letters}
        asyncio.run(Trimmer(self.admin, self.partitions.owned, archives, self.config.layout.trim_lock).trim())

    def end(self) -> None:
        self.held.close()

    def stored(self) -> list[int]:
        """The numbers there are: readings, and dead letters as negative ones."""
        found: list[int] = []
        with self.partitions.store.snapshot("default") as snapshot:
            for name in ("climate", "water"):
                table = TableId("default", "farm", name)
                if self.store.catalog.find(table) is not None:
                    found += snapshot.execute(f"SELECT n FROM {snapshot.source(table)}")["n"].to_pylist()
        letters = [NOW_NS - letter.letter.arrival_ns for letter in self.dead_letters.list(limit=1000)]
        return sorted([*map(int, found), *letters])


def tell_the_story(life: Life, step: Callable[[str], None], *, gateway_first: bool) -> None:
    """Every kind of file comes to be, and those that go go. `step` is told of what native code has done by itself."""
    if gateway_first:
        prepare(life.config.layout)
        life.publish("farm/s1", -1)
        life.publish("nowhere", -2)
    life.begin()
    if not gateway_first:
        life.publish("farm/s1", -1)
    life.work_off()
    life.store._upkeep.save_positions()
    asyncio.run(life.partition.rules.save_pass())
    life.save()
    life.publish("farm/s1", 1)
    life.work_off()
    life.save()
    life.publish("water/s1", 2)
    life.publish("farm/s2", 3)
    life.work_off()
    save_pending_rows(life.store)
    life.store._upkeep.save_positions()
    life.publish("farm/s1", 4)
    life.work_off()
    life.save()
    climate = life.store.opened(CLIMATE)
    assert climate is not None
    climate.rewrite(climate.files())
    step("merged")
    inside(climate).magnetic._checkpoint()
    step("checkpoint of Delta")
    climate.vacuum(NOW_NS)
    climate.vacuum(NOW_NS + KEEP_NS)
    life.store.catalog.create_database("default", "made")
    life.store.catalog.create_table(MADE, TableSettings())
    life.store.catalog.delete_table(MADE)
    life.publish("farm/s3", 5)
    life.work_off()
    life.save()
    life.end()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("gateway_first", [True, False])
def test_every_state_that_a_stop_can_leave_starts_again_with_all_that_was_acknowledged(
    tmp_path: Path, gateway_first: bool
) -> None:
    (tmp_path / "life").mkdir()
    life = Life(tmp_path / "life")
    watcher = StoppedStates(life.config.data_dir, tmp_path / "states", life.note)
    with watcher.watching():
        tell_the_story(life, watcher.take, gateway_first=gateway_first)
    assert watcher.seen > 50

    failures = []
    for state in watcher.states:
        home = tmp_path / "again"
        home.mkdir()
        again = Life(home)
        state.folder.rename(again.config.data_dir)
        try:
            again.begin()
            again.work_off()
            assert again.stored() == sorted(state.note)  # type: ignore[call-overload]
            again.save()
        except Exception as error:  # noqa: BLE001  # all of them are told
            failures.append(f"{state.what}: {type(error).__name__}: {error}")
        finally:
            again.end()
            shutil.rmtree(home)

    assert failures == []
