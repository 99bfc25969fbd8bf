"""Partition keys of tables are kept, returned, and enforced on records."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from timestream_service import NOW_NS, service_on

HOST = {"Type": "DIMENSION", "Name": "host", "EnforcementInRecord": "REQUIRED"}
OPTIONAL = {**HOST, "EnforcementInRecord": "OPTIONAL"}
MEASURE = {"Type": "MEASURE"}
TABLE = {"DatabaseName": "db", "TableName": "t"}


def schema(*keys: dict[str, str]) -> dict[str, Any]:
    return {"CompositePartitionKey": list(keys)}


def record(dimension: str) -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": dimension, "Value": "a"}],
        "MeasureName": "cpu",
        "MeasureValue": "1",
        "Time": str(NOW_NS // 1_000_000),
    }


def created(write: Any, *keys: dict[str, str]) -> Any:
    write.create_database(DatabaseName="db")
    return write.create_table(**TABLE, Schema=schema(*keys))["Table"]["Schema"]


@pytest.mark.parametrize("key", [HOST, OPTIONAL, MEASURE])
def test_a_key_is_returned(write: Any, key: dict[str, str]) -> None:
    assert created(write, key) == schema(key)
    assert write.describe_table(**TABLE)["Table"]["Schema"] == schema(key)


def test_a_record_without_the_required_dimension_is_rejected_and_the_others_are_stored(write: Any) -> None:
    created(write, HOST)

    with pytest.raises(write.exceptions.RejectedRecordsException) as caught:
        write.write_records(**TABLE, Records=[record("host"), record("rack")])

    (rejected,) = caught.value.response["RejectedRecords"]
    assert rejected["RecordIndex"] == 1
    assert rejected["Reason"] == (
        "The record does not have the dimension host, which is the table's required partition key."
    )


def test_a_dimension_of_the_common_attributes_counts(write: Any) -> None:
    created(write, HOST)
    common = {"Dimensions": [{"Name": "host", "Value": "a"}]}

    assert write.write_records(**TABLE, Records=[record("rack")], CommonAttributes=common)


def test_an_optional_dimension_may_be_missing_until_it_is_required(write: Any) -> None:
    created(write, OPTIONAL)
    write.write_records(**TABLE, Records=[record("rack")])

    assert write.update_table(**TABLE, Schema=schema(HOST))["Table"]["Schema"] == schema(HOST)
    with pytest.raises(write.exceptions.RejectedRecordsException):
        write.write_records(**TABLE, Records=[record("rack")])


def test_an_update_of_something_else_leaves_the_key(write: Any) -> None:
    created(write, HOST)
    retention = {"MemoryStoreRetentionPeriodInHours": 1, "MagneticStoreRetentionPeriodInDays": 1}

    assert write.update_table(**TABLE, RetentionProperties=retention)["Table"]["Schema"] == schema(HOST)


@pytest.mark.parametrize("key", [{**HOST, "Name": "rack"}, MEASURE])
def test_another_key_is_refused_once_the_table_exists(write: Any, key: dict[str, str]) -> None:
    created(write, HOST)

    with pytest.raises(ClientError, match="The table's partition key is the dimension host"):
        write.update_table(**TABLE, Schema=schema(key))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([HOST, OPTIONAL], "has 2 partition keys; 1 is allowed"),
        ([{"Type": "DIMENSION"}], "needs a Name"),
        ([{"Type": "DIMENSION", "Name": "ts_x"}], "ts_x is reserved"),
        ([{"Type": "MEASURE", "Name": "cpu"}], "has no Name"),
    ],
)
def test_what_is_no_key_is_refused(write: Any, keys: list[dict[str, str]], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        created(write, *keys)


def test_a_restart_keeps_a_key(tmp_path: Path) -> None:
    first = service_on(tmp_path)
    first.ok("CreateDatabase", DatabaseName="db")
    first.ok("CreateTable", **TABLE, Schema=schema(HOST))
    first.store.close()

    second = service_on(tmp_path)
    table = second.ok("DescribeTable", **TABLE)["Table"]
    second.store.close()

    assert table["Schema"] == schema(HOST)
