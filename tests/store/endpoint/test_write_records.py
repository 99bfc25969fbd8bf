"""WriteRecords: requests that fail as a whole, records that are rejected, and records that are stored."""

from collections.abc import Sequence
from typing import Any

import pytest
from timestream_service import ACCOUNT, NOW_NS, DirectWriter, Refused, Service

from store.endpoint import Endpoint, WriteRecord
from store.record import Applied, MeasureType, TableId
from store.table.column_work import retype
from store.testing import LocalExecutor

NOW_MS = NOW_NS // 1_000_000
DIMENSION = {"Name": "host", "Value": "h"}
GOOD = {"Dimensions": [DIMENSION], "MeasureName": "cpu", "MeasureValue": "1.5", "Time": str(NOW_MS)}


def multi(**measures: tuple[str, str]) -> dict[str, Any]:
    values = [{"Name": name, "Type": kind, "Value": value} for name, (kind, value) in measures.items()]
    return {**GOOD, "MeasureValue": None, "MeasureValueType": "MULTI", "MeasureValues": values}


def write(service: Service, *records: dict[str, Any], table: str = "t", **more: Any) -> tuple[int, dict[str, Any]]:
    return service.call("WriteRecords", {"DatabaseName": "db", "TableName": table, "Records": list(records), **more})


def ask(service: Service, text: str) -> list[tuple[Any, ...]]:
    rows = service.ok("Query", QueryString=text)["Rows"]
    return [tuple(datum.get("ScalarValue") for datum in row["Data"]) for row in rows]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Time": "1.5"}, "Invalid time for record."),
        ({"Time": "-1"}, "Invalid time for record."),
        ({"Time": "9223372036854775808", "TimeUnit": "NANOSECONDS"}, "Invalid time for record."),
        ({"Time": None}, "Invalid time for record."),
        ({"Version": 0}, "The record at index 1 has version 0. Version must be 1 or greater."),
        ({"MeasureName": None}, "The record at index 1 has no MeasureName."),
        ({"MeasureValue": None}, "The record at index 1 has no MeasureValue."),
        ({"MeasureValue": "NaN"}, "The record at index 1 has a measure cpu whose value 'NaN' is not a valid DOUBLE."),
        ({"MeasureValue": "1e999"}, "whose value '1e999' is not a valid DOUBLE."),
        ({"MeasureValue": "1_0"}, "whose value '1_0' is not a valid DOUBLE."),
        ({"MeasureValueType": "BIGINT"}, "whose value '1.5' is not a valid BIGINT."),
        ({"MeasureValueType": "BIGINT", "MeasureValue": str(2**63)}, "is not a valid BIGINT."),
        ({"MeasureValueType": "BOOLEAN"}, "whose value '1.5' is not a valid BOOLEAN."),
        ({"MeasureValueType": "TIMESTAMP"}, "TIMESTAMP, which is only for measures of a MULTI record."),
        ({"MeasureValueType": "MULTI"}, "has a MeasureValue, but its MeasureValueType is MULTI"),
        ({"MeasureName": "a:b"}, "The measure name a:b must not contain a colon."),
        ({"MeasureName": "ts_x"}, "The measure name ts_x is reserved"),
        ({"MeasureName": "x" * 257}, "The measure name is 257 bytes long; 256 are allowed."),
        ({"Dimensions": [{"Name": "time", "Value": "x"}]}, "The dimension name time is reserved"),
        ({"Dimensions": [{"Name": 'a"b', "Value": "x"}]}, "must not contain a double quote."),
        ({"Dimensions": [{"Name": "é" * 31, "Value": "x"}]}, "The dimension name is 62 bytes long; 60 are allowed."),
        ({"Dimensions": [DIMENSION, DIMENSION]}, "has the dimension host twice"),
        ({"Dimensions": []}, "At least one dimension is required for a record."),
    ],
)
def test_a_malformed_record_fails_the_request_and_nothing_is_stored(
    table: Service, change: dict[str, Any], message: str
) -> None:
    status, body = write(table, GOOD, {**GOOD, **change})

    assert (status, body["__type"]) == (400, "com.amazonaws.timestream.v20181101#ValidationException")
    assert message in body["message"]
    assert table.writer.payloads == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (multi(), "has MeasureValueType MULTI and no MeasureValues."),
        (multi(host=("DOUBLE", "1")), "has both a dimension and a measure named host."),
        (multi(a=("MULTI", "1")), "has a measure a of type MULTI inside MeasureValues."),
        (multi(a=("TIMESTAMP", "x")), "has a measure a whose value 'x' is not a valid TIMESTAMP."),
        (multi(measure_value=("DOUBLE", "1")), "The measure name measure_value is reserved"),
    ],
)
def test_a_malformed_multi_record_fails_the_request(table: Service, record: dict[str, Any], message: str) -> None:
    status, body = write(table, record)

    assert status == 400
    assert message in body["message"]


def test_common_attributes_are_under_each_record_and_its_own_stand_above(table: Service) -> None:
    common = {
        "Dimensions": [{"Name": "region", "Value": "eu"}],
        "MeasureName": "cpu",
        "MeasureValueType": "BIGINT",
        "TimeUnit": "NANOSECONDS",
        "Time": str(NOW_NS),
    }
    own = {"Dimensions": [DIMENSION], "MeasureValue": "7"}

    status, _ = write(table, own, {**own, "MeasureName": "mem", "Time": str(NOW_NS - 1)}, CommonAttributes=common)

    assert status == 200
    assert ask(
        table, "SELECT host, region, measure_name, to_nanoseconds(time), measure_value::bigint FROM db.t ORDER BY 3"
    ) == [
        ("h", "eu", "cpu", str(NOW_NS), "7"),
        ("h", "eu", "mem", str(NOW_NS - 1), "7"),
    ]
    overlap = write(table, {**own, "Dimensions": [{"Name": "region", "Value": "x"}]}, CommonAttributes=common)
    assert "has the dimension region twice" in overlap[1]["message"]


@pytest.mark.parametrize(
    "unit_ns", [("SECONDS", 10**9), ("MILLISECONDS", 10**6), ("MICROSECONDS", 1000), ("NANOSECONDS", 1)]
)
def test_times_are_in_their_unit(table: Service, unit_ns: tuple[str, int]) -> None:
    unit, size_ns = unit_ns
    record = {**multi(at=("TIMESTAMP", "3")), "Time": str(NOW_NS // size_ns), "TimeUnit": unit}

    status, _ = write(table, record)

    assert status == 200
    assert ask(table, "SELECT to_nanoseconds(time), to_nanoseconds(at) FROM db.t") == [
        (str(NOW_NS // size_ns * size_ns), str(3 * size_ns))
    ]


HOUR_NS = 3_600 * 10**9
AHEAD_NS = 15 * 60 * 10**9
BEHIND_NS = 6 * HOUR_NS


@pytest.mark.parametrize(
    ("offset_ns", "is_stored"),
    [
        (AHEAD_NS - 1, True),
        (AHEAD_NS, False),
        (AHEAD_NS + 1, False),
        (-BEHIND_NS + 1, True),
        (-BEHIND_NS, True),
        (-BEHIND_NS - 1, False),
    ],
)
def test_the_window_is_memory_retention_behind_and_fifteen_minutes_ahead(
    table: Service, offset_ns: int, is_stored: bool
) -> None:
    status, body = write(table, {**GOOD, "Time": str(NOW_NS + offset_ns), "TimeUnit": "NANOSECONDS"})

    assert status == (200 if is_stored else 419)
    if not is_stored:
        assert "of the memory store." in body["RejectedRecords"][0]["Reason"]


def test_magnetic_writes_open_the_window_as_far_as_both_retentions(service: Service) -> None:
    service.ok("CreateDatabase", DatabaseName="db")
    service.ok(
        "CreateTable",
        DatabaseName="db",
        TableName="t",
        RetentionProperties={"MemoryStoreRetentionPeriodInHours": 1, "MagneticStoreRetentionPeriodInDays": 1},
        MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
    )
    old = {**GOOD, "Time": str(NOW_MS - 20 * 3_600_000)}

    assert write(service, old, {**GOOD, "MeasureName": "new"}) == (
        200,
        {"RecordsIngested": {"Total": 2, "MemoryStore": 1, "MagneticStore": 1}},
    )
    status, body = write(service, {**GOOD, "Time": str(NOW_MS - 25 * 3_600_000 - 1)})
    assert status == 419
    assert body["RejectedRecords"][0]["Reason"] == (
        "The record timestamp is outside the time range "
        "[2026-09-20T13:13:20.123Z, 2026-09-21T14:28:20.123Z) of the data ingestion window."
    )


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (multi(a=("DOUBLE", "1")), multi(a=("BIGINT", "1")), "The column a is a double in this table"),
        (multi(a=("DOUBLE", "1")), {**GOOD, "Dimensions": [{"Name": "a", "Value": "x"}]}, "The column a is a double"),
        (GOOD, {**GOOD, "MeasureValueType": "VARCHAR"}, "The measure name cpu has type double already"),
        (
            GOOD,
            multi(a=("DOUBLE", "1")),
            "The measure name cpu has type double already, and the record has it as multi",
        ),
    ],
)
def test_a_column_keeps_its_type_within_a_request_and_after_it(
    table: Service, first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    status, body = write(table, first, second)
    again, later = write(table, second)

    assert (status, again) == (419, 419)
    assert [record["RecordIndex"] for record in body["RejectedRecords"]] == [1]
    assert body["RejectedRecords"][0]["Reason"].startswith(reason)
    assert later["RejectedRecords"][0]["Reason"].startswith(reason)
    assert ask(table, "SELECT count(*) FROM db.t") == [("1",)]


def test_two_values_for_one_key_in_one_request_are_decided_by_version(table: Service) -> None:
    other = {**GOOD, "MeasureValue": "2.5"}

    status, body = write(table, GOOD, GOOD, other, {**other, "Version": 2})

    assert status == 419
    assert [(record["RecordIndex"], record["ExistingVersion"]) for record in body["RejectedRecords"]] == [(2, 1)]
    assert ask(table, "SELECT measure_value::double FROM db.t") == [("2.5",)]


def test_limits_of_a_record_reject_it_alone(table: Service) -> None:
    wide = {**GOOD, "Dimensions": [{"Name": f"d{number}", "Value": "x" * 200} for number in range(11)]}

    status, body = write(table, GOOD, wide)

    assert status == 419
    assert body["RejectedRecords"] == [
        {"RecordIndex": 1, "Reason": "The record's dimensions are 2223 bytes; 2048 are allowed."}
    ]


def test_a_table_of_the_configuration_is_created_by_its_first_record_and_has_zones(service: Service) -> None:
    place = [{"Name": "greenhouse", "Value": "7"}, {"Name": "zone", "Value": "north"}]
    record = {**multi(temp=("DOUBLE", "20")), "Dimensions": place, "Time": str(NOW_MS - 24 * 3_600_000)}

    status, _ = service.call("WriteRecords", {"DatabaseName": "farm", "TableName": "readings", "Records": [record]})

    assert status == 200
    (info,) = service.store.catalog.tables("AKIDEXAMPLE", "farm")
    assert service.store.registry.of(info.table).zones == ["7/north"]
    status, body = service.call("UpdateTable", {"DatabaseName": "farm", "TableName": "readings"})
    assert (status, body["message"]) == (
        400,
        "The table readings is set by the server's configuration; change it there.",
    )


def test_a_writer_that_cannot_take_more_is_throttling_and_one_that_is_late_an_error_of_the_server(
    table: Service,
) -> None:
    table.writer.failure = Refused("the log is full")
    full = write(table, GOOD)
    table.writer.failure = TimeoutError()
    late = write(table, GOOD)

    assert (full[0], full[1]["__type"]) == (429, "com.amazonaws.timestream.v20181101#ThrottlingException")
    assert "the log is full" in full[1]["message"]
    assert (late[0], late[1]["__type"]) == (500, "com.amazonaws.timestream.v20181101#InternalServerException")


def test_a_column_that_a_device_brought_first_with_another_type_rejects_the_record_and_is_known_then(
    table: Service,
) -> None:
    first = [WriteRecord((), "cpu", NOW_NS, 1, (("load", MeasureType.DOUBLE, 0.5),))]

    class Fenced(DirectWriter):
        async def write(self, to: TableId, records: Sequence[WriteRecord]) -> Applied:
            await table.writer.write(to, first)
            return await table.writer.write(to, records)

    executor = LocalExecutor(table.store.whole.readable)
    table.endpoint = Endpoint(table.store, Fenced(table.store, table.clock), executor, clock_ns=table.clock)
    status, body = write(table, multi(load=("BIGINT", "1")), multi(users=("BIGINT", "1")))

    assert (status, [entry["RecordIndex"] for entry in body["RejectedRecords"]]) == (419, [0])
    assert "another type" in body["RejectedRecords"][0]["Reason"]
    assert ask(table, 'SELECT load, users FROM "db"."t" ORDER BY time') == [(None, "1"), ("0.5", None)]
    _, body = write(table, multi(load=("BIGINT", "1")))
    assert body["RejectedRecords"][0]["Reason"] == (
        "The column load is a double in this table, and the record has it as a bigint."
    )


def test_once_a_measure_is_retyped_its_new_type_is_taken_and_the_old_one_refused(table: Service) -> None:
    assert write(table, multi(v=("VARCHAR", "1")))[0] == 200
    table.clock.now_ns += 1
    retype(table.store, TableId(ACCOUNT, "db", "t"), "v", MeasureType.DOUBLE)

    refused = write(table, {**multi(v=("VARCHAR", "2")), "Time": str(NOW_MS + 1)})[1]["RejectedRecords"]
    taken = write(table, {**multi(v=("DOUBLE", "2")), "Time": str(NOW_MS + 2)})

    assert refused[0]["Reason"] == "The column v is a double in this table, and the record has it as a varchar."
    assert taken[0] == 200
    assert ask(table, 'SELECT sum(v) FROM "db"."t"') == [("3.0",)]
