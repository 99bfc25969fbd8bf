"""What an account may have: refusals in Timestream's form name the limit, and what there is goes on to work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from timestream_service import ACCOUNT, NOW_NS, Clock, DirectWriter, Service

from store.catalog.catalog import TableSettings
from store.catalog.limits import Limits
from store.endpoint import Endpoint
from store.testing import LocalExecutor
from tests.support.lone_store import PARTITION, open_store

LIMITS = Limits(
    databases=2, tables=3, series=50, columns=100, catalog_bytes=9_000, measures=4, dimensions=3, measure_names=2
)
ALLOWS = "the most that the server's setting limits."


@pytest.fixture
def first() -> dict[str, int]:
    """The first offset that the log has; tests change it."""
    return {PARTITION: 0}


@pytest.fixture
def service(tmp_path: Path, first: dict[str, int]) -> Iterator[Service]:
    clock = Clock()
    templates = {("farm", "readings"): TableSettings(from_config=True)}
    store = open_store(tmp_path / "s", templates=templates, clock_ns=clock, limits=LIMITS, log_first=lambda: first)
    writer = DirectWriter(store, clock)
    executor = LocalExecutor(store.whole.readable)
    made = Service(store, clock, writer, Endpoint(store, writer, executor, clock_ns=clock, monotonic_ns=clock))
    made.ok("CreateDatabase", DatabaseName="db")
    made.ok("CreateTable", DatabaseName="db", TableName="t")
    yield made
    store.close()
    executor.close()


def record(measure_name: str = "m", dimensions: str = "h", measures: str = "a") -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": name, "Value": "1"} for name in dimensions],
        "MeasureName": measure_name,
        "MeasureValueType": "MULTI",
        "MeasureValues": [{"Name": name, "Type": "DOUBLE", "Value": "1"} for name in measures],
        "Time": str(NOW_NS // 1_000_000),
    }


@pytest.mark.parametrize(
    ("within", "beyond", "told"),
    [
        ([record(measures="abcd")], record("n", measures="ae"), f"The table has 4 measures, {ALLOWS}measures allows."),
        (
            [record(dimensions="hij")],
            record(dimensions="hk"),
            f"The table has 3 dimensions, {ALLOWS}dimensions allows.",
        ),
        ([record("m"), record("n")], record("o"), f"The table has 2 measure names, {ALLOWS}measure_names allows."),
    ],
)
def test_records_that_would_add_names_beyond_a_tables_limit_are_rejected(
    service: Service, within: list[dict[str, Any]], beyond: dict[str, Any], told: str
) -> None:
    request = {"DatabaseName": "db", "TableName": "t"}
    service.ok("WriteRecords", **request, Records=within)

    status, body = service.call("WriteRecords", {**request, "Records": [beyond, *within]})

    assert status == 419
    assert body["RejectedRecords"] == [{"RecordIndex": 0, "Reason": f"{told} The record would add others."}]
    service.ok("WriteRecords", **request, Records=within)


def test_databases_and_tables_beyond_the_limit_are_refused_until_others_are_deleted(service: Service) -> None:
    service.ok("CreateDatabase", DatabaseName="db2")
    for name in ("t2", "t3"):
        service.ok("CreateTable", DatabaseName="db", TableName=name)

    database = service.error("CreateDatabase", DatabaseName="db3")
    table = service.error("CreateTable", DatabaseName="db2", TableName="t4")

    assert database == (
        402,
        "ServiceQuotaExceededException",
        f"The account {ACCOUNT} has 2 databases, {ALLOWS}databases allows.",
    )
    assert table == (
        402,
        "ServiceQuotaExceededException",
        f"The account {ACCOUNT} has 3 tables, {ALLOWS}tables allows.",
    )
    service.ok("DeleteTable", DatabaseName="db", TableName="t2")
    service.ok("CreateTable", DatabaseName="db2", TableName="t4")


def test_the_catalog_of_an_account_is_bounded_also_by_tags_and_by_what_was_deleted(
    service: Service, first: dict[str, int]
) -> None:
    arn = service.ok("DescribeTable", DatabaseName="db", TableName="t")["Table"]["Arn"]

    def tag(number: int, size: int) -> tuple[int, dict[str, Any]]:
        return service.call("TagResource", {"ResourceARN": arn, "Tags": [{"Key": f"k{number}", "Value": "x" * size}]})

    refused = [number for number in range(30) if tag(number, 250)[0] == 402]
    assert refused
    assert refused == list(range(refused[0], 30))
    assert "limits.catalog allows 9000" in tag(31, 250)[1]["message"]
    service.ok("UntagResource", ResourceARN=arn, TagKeys=[f"k{number}" for number in range(30)])

    deleted = []
    for number in range(200):
        if service.call("CreateTable", {"DatabaseName": "db", "TableName": f"gone-{number}"})[0] == 402:
            break
        service.ok("DeleteTable", DatabaseName="db", TableName=f"gone-{number}")
        deleted.append(number)
    assert 10 < len(deleted) < 199
    service.store.log_end[PARTITION] = first[PARTITION] = 9  # all rows of deleted tables are gone from the log
    service.ok("CreateTable", DatabaseName="db", TableName="one")
    service.ok("DeleteTable", DatabaseName="db", TableName="one")
    assert service.store.catalog.deleted_tables() == []
