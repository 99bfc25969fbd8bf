"""What an owner of a partition leaves for the next one, and the catalog that all share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from rules.snapshot import MarkState, PackedKeys, PhaseState, RuleFacts, SignalState, decode_state, encode_state, packed
from store.catalog.document import Document, TableSettings
from store.objects.objects import open_objects
from store.objects.sealed import SealedObjects
from store.record import SeriesKey, TableId
from store.state.partition_state import PartitionState
from tests.golden.conftest import Golden

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


def test_the_rules_state(golden: Golden) -> None:
    keys = [SeriesKey((("s", "1"),), "climate"), SeriesKey((("s", "2"),), "climate")]
    marks = MarkState(
        packed(np.array([1]), np.uint32), packed(np.array([T + 9]), np.int64), packed(np.array([T]), np.int64)
    )
    signals = SignalState(packed(np.array([T, T + 1]), np.int64), packed(np.array([40.5, -1.0]), np.float64), marks)
    phases = PhaseState(
        *(packed(np.array([n]), kind) for n, kind in ((0, np.uint32), (2, np.int8), (1, np.int8), (T, np.int64)))
    )
    facts = RuleFacts(
        "climate/TooHot", "t", float("-inf"), 32.0, False, {"severity": "warning"}, {"summary": "{value}"}
    )
    parts = {"t": signals}, {"0f" * 16: phases}, {"0f" * 16: facts}

    state = decode_state(golden("rules.state", encode_state({PARTITION: 7}, PackedKeys().first(keys, 2), *parts)))

    assert (state.positions, state.series_keys()) == ({PARTITION: 7}, keys)
    assert (state.signals, state.phases, state.rules) == parts
