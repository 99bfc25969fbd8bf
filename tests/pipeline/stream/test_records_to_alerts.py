"""Rows and words of a work batch are taken by the rules in the order of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.log.frame import Frame, FrameKind
from pipeline.log.generation import Generation
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.rule_state import RuleKeep, RuleState
from pipeline.stream.stages.records_to_alerts import records_to_alerts
from pipeline.stream.work_batch import WorkBatch
from rules import Engine, rules_of
from store.objects.objects import open_objects
from store.record import SeriesRegistry
from store.state.partition_state import PartitionState

ID = "0123456789abcdef/readings/0"
RULES = "groups: [{name: g, table: farm.air, rules: [{alert: %s, measure: n, range: {max: %d}}]}]"


def generation(alert: str, limit: int) -> Generation:
    return Generation((("rules.yaml", RULES % (alert, limit)),))


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    registry = SeriesRegistry()
    keep = RuleKeep(PartitionState(open_objects(str(tmp_path)), ID), ID)
    rules = RuleState(Engine(rules_of(()), registry), keep)
    rules.load(generation("Hot", 30))
    normaliser = Normaliser([Route("farm", "air", TopicTemplate("farm/{sensor}"))], registry, ID)
    return Partition(0, ID, None, normaliser, rules, None, 0)  # type: ignore[arg-type]  # not used here


async def test_each_row_is_judged_by_the_rules_in_force_at_its_offset(partition: Partition) -> None:
    """All are one work batch."""
    frames = [
        (offset, Frame(1, FrameKind.MQTT, [offset + 1], ["a"], [f"farm/s{offset}"], [b'{"n": 35}']))
        for offset in (0, 1, 3, 5)
    ]
    batches = tuple(partition.normaliser.normalise_many(frames).batches)
    words = ((2, generation("Warm", 20)), (4, generation("Boiling", 90)))
    told: list[tuple[str, str, str]] = []

    async def works() -> AsyncIterator[WorkBatch]:
        yield WorkBatch(partition, 5, batches, 6, words=words)

    async def append(value: bytes) -> Any:
        for entry in orjson.loads(value):
            data = entry["event"]["data"]
            told.append((data["rule"], data["dimensions"]["sensor"], data["status"]))

    await records_to_alerts(works(), append)

    assert [batch.offset.tolist() for batch in batches] == [[0, 1, 3, 5]]
    assert told == [
        ("g/Hot", "s0", "firing"),
        ("g/Hot", "s1", "firing"),
        ("g/Hot", "s0", "resolved"),
        ("g/Hot", "s1", "resolved"),
        ("g/Warm", "s3", "firing"),
        ("g/Warm", "s3", "resolved"),
    ]
