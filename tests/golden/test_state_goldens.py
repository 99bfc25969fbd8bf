"""What an owner of a partition leaves for the next one, and the catalog that all share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from rules.files.parse import parse_rules
from rules.saved.snapshot import PackedKeys, decode_state, encode_state
from rules.saved.snapshot_1 import definition_1
from rules.saved.state import AlertState, MarkState, PhaseState, RuleFacts, RuleState, SavedJudge, SignalState
from rules.values.arrays import packed
from store.catalog.document import Document, TableSettings
from store.objects.objects import open_objects
from store.objects.sealed import SealedObjects
from store.record import SeriesKey, TableId
from store.state.partition_state import PartitionState
from tests.golden.conftest import FILES, Golden

T = 1_795_000_000_123_456_789
PARTITION = "0123456789abcdef/readings/0"


def test_the_catalog(golden: Golden) -> None:
    written = Document()
    written.number_partitions([PARTITION, "0123456789abcdef/readings/1"])
    settings = TableSettings(timedelta(hours=1), timedelta(days=30), zone="{site}/{zone}", units={"t": "celsius"})
    buried, table = TableId("farm", "db", "old"), TableId("farm", "db", "t")
    for each in (buried, table):
        written.ensure(each, settings, T)
    written.delete_table(buried, {PARTITION: 41})
    written.ensure(buried, TableSettings(), T + 1)
    written.save_shapes(table, {"climate": "multi", "door": "boolean"})
    written.create_database("farm", "empty", T, {"Tags": [{"Key": "a", "Value": "b"}]})

    read = Document.decode(golden("catalog.json", written.encode()), {})

    assert read == written
    assert read.tables[buried].incarnation == 2
    assert read.tables[buried].born == {PARTITION: 41}


@pytest.mark.parametrize(("name", "data"), [("plain", b"short"), ("compressed", b"long " * 200)])
def test_an_object_of_the_state_of_a_partition(golden: Golden, tmp_path: Path, name: str, data: bytes) -> None:
    keep = PartitionState(SealedObjects(open_objects(str(tmp_path))), PARTITION)
    keep.save("some/kind", 42, data)
    (path,) = (file for file in tmp_path.rglob("*") if file.is_file())

    path.write_bytes(golden(f"state-object-{name}-2", path.read_bytes(), is_exact=name == "plain"))

    assert str(path.relative_to(tmp_path)) == f"state/{PARTITION}/some/kind/00000000000000000042"
    assert keep.latest("some/kind") == (42, data)


KEYS = [SeriesKey((("s", "1"),), "climate"), SeriesKey((("s", "2"),), "climate")]
MARKS = MarkState(
    packed(np.array([1]), np.uint32), packed(np.array([T + 9]), np.int64), packed(np.array([T]), np.int64)
)
SIGNALS = SignalState(packed(np.array([T, T + 1]), np.int64), packed(np.array([40.5, -1.0]), np.float64), MARKS)


def arrays(*columns: tuple[float, type]) -> list[bytes]:
    return [packed(np.array([value]), kind) for value, kind in columns]


PHASES = PhaseState(*arrays((0, np.uint32), (2, np.int8), (T, np.int64)))
DAMPED = PhaseState(
    *(PHASES.subject, PHASES.phase, PHASES.onset_ns),
    *arrays((1, np.int32), (T, np.int64), (T + 1, np.int64), (0, np.uint32), (T + 2, np.int64)),
)
ALERTS = AlertState(*arrays((0, np.uint32), (0, np.int8), (T, np.int64), (0, np.int8), (float("-inf"), np.float64)))
FACTS = RuleFacts("climate/TooHot", "t", True, [""], {"severity": "warning"}, {"summary": "{value}"})


def test_the_rules_state(golden: Golden) -> None:
    judge = SavedJudge(1, {"sum": b"12345678"})
    of_zones = RuleState(FACTS, [("", (("zone_name", "north"),))], [PHASES, DAMPED], ALERTS, judge)
    parts = {"t": SIGNALS}, {"0f" * 16: RuleState(FACTS, None, [PHASES], ALERTS), "1f" * 16: of_zones}

    state = decode_state(golden("rules-2.state", encode_state({PARTITION: 7}, PackedKeys().first(KEYS, 2), *parts)))

    assert (state.positions, state.series_keys()) == ({PARTITION: 7}, KEYS)
    assert (state.signals, state.rules) == parts
    assert state.subject_keys(of_zones) == [SeriesKey((("zone_name", "north"),), "")]


def test_the_rules_state_of_version_1() -> None:
    state = decode_state((FILES / "rules.state").read_bytes())

    assert (state.positions, state.series_keys()) == ({PARTITION: 7}, KEYS)
    assert (state.signals, state.rules) == ({"t": SIGNALS}, {"0f" * 16: RuleState(FACTS, None, [PHASES], ALERTS)})


def test_the_definitions_of_version_1_are_known() -> None:
    """As they were hashed then; so the state of a rule outlives the change of the format."""
    text = """
groups:
  - name: g
    table: a.b
    rules:
      - {alert: A, measure: t, range: {min: 1, max: 32}, clear: {max: 30}, for: 2m, where: {s: [y, x], account: z}}
      - {alert: B, measure: t, rate_of_change: {max: 2, per: 1m}}
"""
    rules, _ = parse_rules(text, "rules.yaml")

    assert [definition_1(rule) for rule in rules] == [
        "ddf7812f6d823297091d89ca32a7ed15",
        "87c03f4fc52370757ac6ab4ed7383bd6",
    ]
