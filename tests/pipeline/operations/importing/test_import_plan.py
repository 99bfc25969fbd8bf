"""What a column becomes: by the mapping, the table, the order of SELECT *; and what is wrong with a mapping."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.base.errors import ConfigError, ImportFailed
from pipeline.operations.importing.conversion import converted, times
from pipeline.operations.importing.mapping import FileMapping, Measure, OfColumn, Time, read_mapping
from pipeline.operations.importing.plan import TargetColumn, plan_for
from store.record import MeasureType

TEXT, DOUBLE, WHOLE = pa.string(), pa.float64(), pa.int64()
UNLOADED = {"sensor": TEXT, "site": TEXT, "measure_name": TEXT, "time": pa.timestamp("ns"), "x": DOUBLE, "note": TEXT}


def test_columns_in_the_order_of_select() -> None:
    plan = plan_for(UNLOADED, FileMapping(), (), "f")

    assert plan.dimensions == {"sensor": "sensor", "site": "site"}
    assert plan.measures == {"x": ("x", MeasureType.DOUBLE), "note": ("note", MeasureType.VARCHAR)}
    assert plan.measure_name == OfColumn("measure_name")


def test_columns_that_the_table_has() -> None:
    """A dimension after `measure_name`, a measure with its own type, and the zone, which is made of dimensions."""
    target = [
        TargetColumn("note", "dimension", MeasureType.VARCHAR),
        TargetColumn("x", "measure", MeasureType.BIGINT),
        TargetColumn("zone_name", "zone", MeasureType.VARCHAR),
    ]

    plan = plan_for({**UNLOADED, "zone_name": TEXT}, FileMapping(), target, "f")

    assert set(plan.dimensions) == {"sensor", "site", "note"}
    assert plan.measures == {"x": ("x", MeasureType.BIGINT)}
    assert plan.left_out == ["zone_name"]


def test_columns_that_the_mapping_names() -> None:
    mapping = FileMapping(
        time=Time("ts", "ms"),
        measure_name="climate",
        dimensions={"dev": "device_id"},
        measures={"temp": Measure("temperature", MeasureType.BIGINT), "flag": MeasureType.VARCHAR},
        version=3,
        leave_out=["junk"],
    )
    columns = {"ts": WHOLE, "dev": WHOLE, "temp": DOUBLE, "flag": pa.bool_(), "junk": pa.list_(WHOLE)}

    plan = plan_for(columns, mapping, (), "f")
    rows = converted(pa.table({"ts": [5], "dev": [7], "temp": [21.0], "flag": [True]}), plan, "f")

    assert rows.column_names == ["time", "measure_name", "streamgauge.version", "device_id", "temperature", "flag"]
    assert [column.to_pylist()[0] for column in rows.columns] == [5_000_000, "climate", 3, "7", 21, "true"]


@pytest.mark.parametrize(
    ("columns", "mapping", "fault"),
    [
        ({"sensor": TEXT, "x": DOUBLE}, FileMapping(), "f has no column time: its columns are sensor, x; --time names"),
        ({"tine": WHOLE, "x": DOUBLE}, FileMapping(), "f has no column time: did you mean tine?"),
        ({"time": WHOLE, "x": DOUBLE}, FileMapping(), "f has no column measure_name: say by --measure-name"),
        ({"time": WHOLE, "x": DOUBLE}, FileMapping(measure_name="m"), "f: no column is a dimension"),
        ({"time": WHOLE, "s": TEXT}, FileMapping(measure_name="m"), "f: no column is a measure"),
        (UNLOADED, FileMapping(dimensions=["sensro"]), "f has no column sensro: did you mean sensor?"),
        (UNLOADED, FileMapping(dimensions=["x"], measures=["x"]), "the column x cannot be both"),
        ({**UNLOADED, "l": pa.list_(DOUBLE)}, FileMapping(), "f: the column l has the type list<item: double>"),
    ],
)
def test_what_is_wrong_is_said(columns: dict[str, pa.DataType], mapping: FileMapping, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        plan_for(columns, mapping, (), "f")

    assert str(raised.value).startswith(fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("dimension: [a]", "Object contains unknown field `dimension`; the keys of a mapping are time, measure_name"),
        ("measures: {x: float}", "Invalid enum value 'float'"),
        ("time: {column: t, unit: h}", "the unit of the time is 'h'; one of s, ms, us, ns is possible"),
        ("- a", "a mapping has keys, like `dimensions:`"),
        ("a: [", "not YAML"),
        ("time: {column: a}\ntime: {column: b}", ":2: "),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError) as raised:
        read_mapping(file, {})

    assert fault in str(raised.value)


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        (
            ["2026-01-01 00:00:00.123456789", "2026-01-01T00:00:00Z", None],
            None,
            [1767225600123456789, 1767225600 * 10**9, None],
        ),
        (["2026-01-01T00:00:00.5+02:00", "2026-01-01"], None, [1767218400 * 10**9 + 5 * 10**8, 1767225600 * 10**9]),
        ([1, 2], "s", [10**9, 2 * 10**9]),
        (["3"], "us", [3000]),
    ],
)
def test_times_are_exact(values: list[object], unit: str | None, expected: list[int | None]) -> None:
    assert times(pa.array(values), unit).to_pylist() == expected


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        (
            pa.array([2**62]),
            "f: column t: times from 4611686018427387904 to 4611686018427387904 are not within 1677 and 2262",
        ),
        (pa.array([1.5]), "f: column t: it has the type double; a time is a timestamp, text or a whole number"),
    ],
)
def test_a_time_that_does_not_fit_names_its_column(column: pa.Array, fault: str) -> None:
    plan = plan_for({"t": WHOLE, "s": TEXT, "x": DOUBLE}, FileMapping(time=Time("t", "s"), measure_name="m"), (), "f")

    with pytest.raises(ImportFailed, match=fault):
        converted(pa.table({"t": column, "s": ["a"], "x": [1.0]}), plan, "f")


def test_a_value_is_exact_or_refused() -> None:
    columns = {"time": WHOLE, "s": TEXT, "x": DOUBLE}
    mapping = FileMapping(time=Time("time", "s"), measure_name="m", measures={"x": MeasureType.BIGINT})
    plan = plan_for(columns, mapping, (), "f")

    with pytest.raises(ImportFailed, match=r"f: column x: Float value .* was truncated"):
        converted(pa.table({"time": [1], "s": ["a"], "x": [1.5]}), plan, "f")
