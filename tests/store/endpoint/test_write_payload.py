"""A WriteRecords request is the same after it was encoded for the log."""

import msgspec
import pyarrow as pa
import pytest

from store.endpoint import DamagedPayload, WriteRecord, decode_write, encode_write
from store.record import MeasureType, SeriesKey, SeriesRegistry, TableId

DOUBLE = "measure_value::double"


def single(host: str, value: float, *, time_ns: int = 1, version: int = 1) -> WriteRecord:
    return WriteRecord((("host", host),), "cpu", time_ns, version, ((DOUBLE, MeasureType.DOUBLE, value),))


def test_records_keep_their_order_and_share_series() -> None:
    registry = SeriesRegistry()
    records = [single("a", 1.5, time_ns=10), single("b", 2.5, time_ns=20, version=7), single("a", 3.0, time_ns=30)]

    batch = decode_write(encode_write("db", "t", records), "acme", registry, "log/readings/0", 42, 99)

    assert batch.table == TableId("acme", "db", "t")
    assert [batch.index.keys[series] for series in batch.series] == [
        SeriesKey((("host", host),), "cpu") for host in "aba"
    ]
    assert batch.time_ns.tolist() == [10, 20, 30]
    assert batch.version.tolist() == [1, 7, 1]
    assert batch.offset.tolist() == [42, 42, 42]
    assert batch.arrival_ns.tolist() == [99, 99, 99]
    assert batch.measures[DOUBLE].to_pylist() == [1.5, 2.5, 3.0]
    assert (batch.partition, batch.by_version) == ("log/readings/0", True)


def test_every_type_of_measure_keeps_its_type_and_absent_ones_are_null() -> None:
    values = (
        ("d", MeasureType.DOUBLE, 5.0),
        ("i", MeasureType.BIGINT, -(2**63)),
        ("b", MeasureType.BOOLEAN, False),
        ("s", MeasureType.VARCHAR, "naïve ☃"),
        ("t", MeasureType.TIMESTAMP, 1_700_000_000_123_456_789),
    )
    records = [WriteRecord((), "m", 1, 1, values), WriteRecord((), "m", 2, 1, values[:1], "north")]

    batch = decode_write(encode_write("db", "t", records), "acme", SeriesRegistry(), "s", 0, 0)

    assert batch.types == {name: measure_type for name, measure_type, _ in values}
    for name, measure_type, value in values:
        column = batch.measures[name]
        assert column.type == measure_type.arrow
        assert (column.cast(pa.int64()) if measure_type is MeasureType.TIMESTAMP else column).to_pylist() == (
            [value, value] if name == "d" else [value, None]
        )


def test_the_zone_travels_with_the_series() -> None:
    registry = SeriesRegistry()
    record = WriteRecord((("gh", "7"),), "climate", 1, 1, (("t", MeasureType.DOUBLE, 1.0),), "gh-7")

    batch = decode_write(encode_write("db", "t", [record]), "a", registry, "s", 0, 0)

    assert batch.index.zones == ["gh-7"]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02\x03", msgspec.msgpack.encode({"a": 1})])
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedPayload, match="not a WriteRecords request"):
        decode_write(data, "a", SeriesRegistry(), "s", 0, 0)


def test_a_newer_format_is_refused() -> None:
    payload = bytearray(encode_write("db", "t", [single("a", 1.0)]))
    assert payload[1] == 1
    payload[1] = 2

    with pytest.raises(DamagedPayload, match="format version 2; this program reads 1"):
        decode_write(bytes(payload), "a", SeriesRegistry(), "s", 0, 0)
