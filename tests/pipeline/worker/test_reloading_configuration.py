"""Rules of changed files come into force through the log, in each partition, all or nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.receivers.alerts_partition import AlertsPartition
from pipeline.base.errors import ConfigError, LogFull
from pipeline.config import Config
from pipeline.log.frame import decode_frame
from pipeline.log.generation import generation_of
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.rule_book import RuleBook
from pipeline.stream.rule_files import RuleFiles
from pipeline.stream.rule_state import RuleKeep, RuleState
from pipeline.worker.reloading import Reloading
from rules import Engine, RuleFileError, RuleSet
from store.objects.objects import open_objects
from store.record import SeriesRegistry
from store.state.partition_state import PartitionState
from tests.support.alert_entries import entry, hearers

RULES = """\
groups:
  - name: g
    table: farm.air
    rules:
      - alert: {alert}
        measure: temperature
        range: {{max: 30}}
"""


class Bench:
    """A worker's rules over two partitions, whose log hands on at once what is appended."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "rules.yaml"
        self.write("First")
        self.config = Config.model_validate({"rules": [str(self.file)]})
        self.wrong: ConfigError | None = None
        self.is_full = False
        self.appended: list[int] = []
        self.files = RuleFiles(self.config)
        nothing: Any = None
        partitions = []
        for number in range(2):
            name = f"0123456789abcdef/readings/{number}"
            state = PartitionState(open_objects(str(folder / "state")), name)
            rules = RuleState(Engine(RuleSet(), SeriesRegistry()), RuleKeep(state, name))
            rules.load(self.files.generation)
            partitions.append(Partition(number, name, nothing, nothing, rules, nothing, 0))
        self.owned = OwnedPartitions(2, partitions)
        self.manager: Any = SimpleNamespace(owned=self.owned, rules=self.files.generation)
        self.book = RuleBook(self.files.rules, self.owned, lambda _: {"farm.air"})
        self.archive = AlertArchive(folder / "alerts.sqlite")
        alerts = AlertsPartition(self.config, self.archive, "0123456789abcdef/alerts/0")
        self.alerts = alerts
        self.config_file = folder / "streamgauge.yaml"
        self.config_file.write_text("{}\n")
        self.reloading = Reloading(self.files, self.again, self.manager, self.book, alerts, self.config_file)
        self.reloading.append = self.append

    def again(self) -> Config:
        """Another reading of the configuration."""
        if self.wrong is not None:
            raise self.wrong
        return self.config

    def change(self, **sections: Any) -> None:
        """Write other sections into the configuration."""
        self.config = Config.model_validate({"rules": [str(self.file)], **sections})

    def write(self, alert: str) -> None:
        self.file.write_text(RULES.format(alert=alert))

    async def append(self, value: bytes, partition: int) -> None:
        if self.is_full:
            raise LogFull("the log is full because a test says so")
        self.appended.append(partition)
        owned = self.owned.get(partition)
        assert owned is not None
        await owned.rules.take(generation_of(decode_frame(value)), len(self.appended))

    @property
    def in_force(self) -> list[str]:
        return [partition.rules.generation for partition in self.owned]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    yield made
    made.archive.close()


async def test_files_that_say_the_same_append_nothing(bench: Bench) -> None:
    found = await bench.reloading.reload()

    assert (found.is_new, found.is_in_force, found.needs_restart) == (False, True, ())
    assert bench.appended == []


async def test_a_change_is_in_the_log_of_each_partition_once(bench: Bench) -> None:
    bench.write("Second")
    found = await bench.reloading.reload()
    await bench.reloading.look()

    assert (found.is_new, found.is_in_force, found.rules) == (True, True, 1)
    assert bench.appended == [0, 1]
    assert bench.in_force == [found.generation] * 2
    assert [rule.name for rule in bench.book.rules.rules] == ["g/Second"]


async def test_a_wrong_file_changes_nothing_and_says_where(bench: Bench) -> None:
    before = bench.in_force
    bench.file.write_text("groups: 7\n")
    with pytest.raises(RuleFileError, match=r"rules\.yaml:1"):
        await bench.reloading.reload()

    assert (bench.appended, bench.in_force) == ([], before)
    assert [rule.name for rule in bench.book.rules.rules] == ["g/First"]


async def test_a_full_log_delays_new_rules(bench: Bench) -> None:
    bench.write("Second")
    bench.files.read_again()
    bench.is_full = True
    await bench.reloading.look()
    refused = list(bench.appended)
    bench.is_full = False
    await bench.reloading.look()

    assert (refused, bench.appended) == ([], [0, 1])


async def test_rules_that_another_worker_puts_into_force_here_are_replaced_by_the_owners(bench: Bench) -> None:
    """It had read other files, and was slow to notice that the partition is not its own any more."""
    own = bench.files.generation
    first = bench.owned.get(0)
    assert first is not None
    await first.rules.take(type(own)((("other.yaml", RULES.format(alert="Other")),)), 7)
    foreign = first.rules.generation
    await bench.reloading.look()

    assert foreign != own.id
    assert bench.appended == [0]


HOOK = {"url": "http://127.0.0.1:9/", "allow_private": True}
SILENCE = {"matchers": ["rule=g/First"], "by": "Ada", "why": "repair"}


async def test_receivers_routes_and_silences_are_put_in_force_by_a_reload(bench: Bench) -> None:
    bench.change(
        receivers=[{"name": "a", "webhook": HOOK}, {"name": "b", "webhook": HOOK}],
        routes=[{"receiver": "b"}],
        silences=[SILENCE],
    )

    found = await bench.reloading.reload()

    assert found.needs_restart == ()
    assert hearers(bench.alerts.plan, entry()) == ["b"]
    assert [silence.why for silence in bench.alerts.plan.silences] == ["repair"]


@pytest.mark.parametrize("wrong", ["the configuration", "a receiver", "a rule file"])
async def test_if_anything_is_wrong_rules_receivers_and_silences_stay_and_that_is_counted(
    bench: Bench, wrong: str
) -> None:
    bench.change(receivers=[{"name": "a", "webhook": HOOK}], silences=[SILENCE])
    await bench.reloading.reload()
    plan, rules, refused = bench.alerts.plan, bench.in_force, counted("refused")
    bench.change(receivers=[{"name": "b", "webhook": HOOK}])
    bench.write("Second")
    match wrong:
        case "the configuration":
            bench.wrong = ConfigError("streamgauge.yaml:3: routes.0.receiver: no receiver is called c")
        case "a receiver":
            untrusted = {"url": "https://hooks.example/", "ca": str(bench.file)}  # it has no certificates
            bench.change(receivers=[{"name": "b", "webhook": untrusted}])
        case _:
            bench.file.write_text("groups: 7\n")

    with pytest.raises((ConfigError, RuleFileError)):
        await bench.reloading.reload()

    assert bench.alerts.plan is plan
    assert [receiver.name for receiver in bench.alerts.config.receivers] == ["a"]
    assert bench.in_force == rules
    assert counted("refused") == refused + 1


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("streamgauge_config_reloads_total", {"outcome": outcome}) or 0


@pytest.mark.parametrize("is_wrong", [False, True])
async def test_a_changed_configuration_is_read_once_when_it_was_seen_twice(bench: Bench, is_wrong: bool) -> None:
    read, refused = counted("loaded"), counted("refused")
    await bench.reloading.look()
    bench.change(receivers=[{"name": "a", "webhook": HOOK}], silences=[SILENCE])
    bench.wrong = ConfigError("streamgauge.yaml:3: routes.0.receiver: no receiver is called c") if is_wrong else None
    bench.config_file.write_text("receivers: …\n")
    seen = []
    for _ in range(4):
        await bench.reloading.look()
        seen.append(len(bench.alerts.plan.silences))

    assert seen == ([0] * 4 if is_wrong else [0, 1, 1, 1])
    assert (counted("loaded") - read, counted("refused") - refused) == ((0, 1) if is_wrong else (1, 0))


async def test_a_configuration_refused_for_a_rule_file_is_read_when_that_is_put_right(bench: Bench) -> None:
    refused, missing = counted("refused"), bench.file.with_name("missing.yaml")
    bench.change(rules=[str(missing)], silences=[SILENCE])
    bench.config_file.write_text("rules: [missing.yaml]\n")
    for _ in range(4):
        await bench.reloading.look()
    before = bench.alerts.plan.silences
    missing.write_text(RULES.format(alert="Second"))
    for _ in range(4):
        await bench.reloading.look()

    assert (before, counted("refused") - refused) == ((), 1)
    assert [silence.why for silence in bench.alerts.plan.silences] == ["repair"]
    assert [rule.name for rule in bench.book.rules.rules] == ["g/Second"]


async def test_settings_that_need_a_restart_are_named(bench: Bench) -> None:
    bench.config = bench.config.model_copy(update={"memory_limit": 123 << 20})

    found = await bench.reloading.reload()

    assert found.needs_restart == ("memory_limit",)
