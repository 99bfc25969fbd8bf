"""Any worker answers any question for all of them; what would lack something is refused by name."""

from __future__ import annotations

import itertools
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from pipeline.base.errors import ServerRefused
from tests.support.group_kit import ZONES, ask, count, device, owned, publish, refusal, shared_out
from tests.support.group_product import GroupProduct, Part
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def started(start: Any, **options: Any) -> GroupProduct:
    product: GroupProduct = start(**options)
    wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
    return product


def test_every_worker_answers_for_all_partitions(start: Any) -> None:
    """Rows not yet in the magnetic tier, zones, averages, devices: the same from both workers."""
    product = started(start)
    with device(product) as sensor:
        for temperature in (20.0, 22.0):
            publish(sensor, temperature=temperature)
    for worker in product.workers:
        wait_for(lambda worker=worker: count(worker) == 2 * len(ZONES), "both have all rows")  # type: ignore[misc]

    first, second = [
        wait_for(lambda worker=worker: answers_of(worker), "every question is answered")  # type: ignore[misc]
        for worker in product.workers
    ]

    assert first == second
    zones, averages, sensors, rows = first
    assert [entry["zone"] for entry in zones["zones"]] == sorted(f"g/{zone}" for zone in ZONES)
    assert averages == [(f"g/{zone}", [(21.0, 2)]) for zone in ZONES]
    assert sensors == sorted(f"s-{zone}" for zone in ZONES)
    assert len(rows) == 2 * len(ZONES)
    assert all(0 < len(owned(product, worker)) < 4 for worker in product.workers)


def answers_of(worker: Part) -> tuple[Any, ...] | None:
    """Zones, averages, sensors and rows as this worker tells them; None while one of them is not within its reach."""
    try:
        with worker.client() as client:
            averages = client.get(
                "v1", "averages", parameters=[("zone", f"g/{zone}") for zone in ZONES] + [("measure", "temperature")]
            )
            devices = client.get("v1", "devices")["devices"]
            return (
                client.get("v1", "zones"),
                [(of["zone"], [(a["average"], a["count"]) for a in of["averages"]]) for of in averages["results"]],
                sorted(entry["dimensions"]["sensor"] for entry in devices),
                ask(client, 'SELECT zone, temperature FROM "faults"."table_00" ORDER BY zone, temperature').to_pylist(),
            )
    except ServerRefused:
        return None


def test_a_silent_worker_fails_the_query_by_name_and_its_partitions_are_taken_over(start: Any) -> None:
    """Stopped, it keeps its connections open and says nothing. Never a part of the rows as if it were all."""
    product = started(start)
    quiet, other = product.workers
    with device(product) as sensor:
        publish(sensor, temperature=20.0)
        wait_for(lambda: count(other) == len(ZONES), "all rows are there")
        quiet.pause()
        try:
            why = refusal(other)
            wait_for(lambda: count(other) == len(ZONES), "the other has taken over", timeout_s=60)
            publish(sensor, temperature=21.0)
            wait_for(lambda: count(other) == 2 * len(ZONES), "and reads on", timeout_s=60)
        finally:
            quiet.go_on()
        # it finds out that its partitions are not its own any more: until then it must not answer as if they were
        answers = {count(quiet) for _ in range(20)} - {-1}

        assert why is not None
        assert quiet.http in why
        assert answers <= {2 * len(ZONES)}
        wait_for(lambda: shared_out(product), "they share again", timeout_s=60)
        for worker in product.workers:
            wait_for(lambda worker=worker: count(worker) == 2 * len(ZONES), "both have all", timeout_s=60)  # type: ignore[misc]


def test_timestream_clients_write_and_query_through_any_worker(start: Any) -> None:
    """CreateTable here, WriteRecords there, for series of all partitions; version rules are those of their owner."""
    product = started(start)
    options: dict[str, Any] = {
        "region_name": "us-east-1",
        "aws_access_key_id": "default",
        "aws_secret_access_key": "x",
        "config": Config(retries={"max_attempts": 10, "mode": "standard"}),
    }
    writers = [boto3.client("timestream-write", endpoint_url=f"http://{w.http}", **options) for w in product.workers]
    queries = [boto3.client("timestream-query", endpoint_url=f"http://{w.http}", **options) for w in product.workers]
    writers[0].create_database(DatabaseName="db")
    writers[0].create_table(DatabaseName="db", TableName="t")
    now_ms = time.time_ns() // 10**6
    records = [
        {
            "Dimensions": [{"Name": "host", "Value": f"h{number}"}],
            "MeasureName": "cpu",
            "MeasureValue": str(number),
            "MeasureValueType": "DOUBLE",
            "Time": str(now_ms),
        }
        for number in range(20)
    ]
    written = writers[1].write_records(DatabaseName="db", TableName="t", Records=records)
    sql = 'SELECT COUNT(*) AS n, SUM(measure_value::double) AS s FROM "db"."t"'
    found = [query.query(QueryString=sql)["Rows"][0]["Data"] for query in queries]
    other = [{**record, "MeasureValue": "99"} for record in records]
    with pytest.raises(writers[0].exceptions.RejectedRecordsException) as refused:
        writers[0].write_records(DatabaseName="db", TableName="t", Records=other)
    writers[1].delete_table(DatabaseName="db", TableName="t")

    assert written["RecordsIngested"]["Total"] == 20
    assert found == [[{"ScalarValue": "20"}, {"ScalarValue": "190.0"}]] * 2
    assert len(refused.value.response["RejectedRecords"]) == 20
    with pytest.raises(queries[0].exceptions.ValidationException):
        wait_for(lambda: not queries[0].query(QueryString=sql), "the table has gone")


def test_pages_of_a_query_are_had_and_cancelled_at_any_worker(start: Any) -> None:
    """The first one keeps the result; requests, signed for where they were sent, are passed on to it."""
    http, peers = {"tokens": [{"token": "secret", "account": "farm-7"}]}, {"token": "a token of the workers'"}
    product = started(start, sections={"http": http, "peers": peers})
    options: dict[str, Any] = {
        "region_name": "us-east-1",
        "aws_access_key_id": "farm-7",
        "aws_secret_access_key": "secret",
        "config": Config(retries={"max_attempts": 10, "mode": "standard"}),
    }
    urls = [f"http://{worker.http}" for worker in product.workers]
    writer = boto3.client("timestream-write", endpoint_url=urls[0], **options)
    queries = [boto3.client("timestream-query", endpoint_url=url, **options) for url in urls]
    writer.create_database(DatabaseName="db")
    writer.create_table(DatabaseName="db", TableName="t")
    now_ms = str(time.time_ns() // 10**6)
    hosts = [f"h{number:02}" for number in range(20)]
    common = {"MeasureName": "cpu", "MeasureValue": "1", "MeasureValueType": "DOUBLE", "Time": now_ms}
    records = [{"Dimensions": [{"Name": "host", "Value": host}]} for host in hosts]
    writer.write_records(DatabaseName="db", TableName="t", Records=records, CommonAttributes=common)

    asked: dict[str, Any] = {"QueryString": 'SELECT host FROM "db"."t" ORDER BY host', "MaxRows": 3}
    found, turns = [], itertools.cycle(queries)
    while True:
        page = next(turns).query(**asked)
        found += [row["Data"][0]["ScalarValue"] for row in page["Rows"]]
        if "NextToken" not in page:
            break
        asked["NextToken"] = page["NextToken"]
    asked["NextToken"] = "x" + asked["NextToken"]

    assert found == hosts
    with pytest.raises(queries[0].exceptions.ValidationException, match="Invalid pagination token"):
        queries[0].query(**asked)
    del asked["NextToken"]
    first = queries[0].query(**asked)
    queries[1].cancel_query(QueryId=first["QueryId"])
    with pytest.raises(queries[0].exceptions.ConflictException, match="cancelled"):
        queries[0].query(**asked, NextToken=first["NextToken"])


def test_workers_on_different_magnetic_tiers_do_not_answer_for_each_other(start: Any, tmp_path: Any) -> None:
    """Each would have some of the history only."""
    product = started(start, overrides={1: {"magnetic": {"url": str(tmp_path / "elsewhere")}}})

    def why() -> str:
        return refusal(product.workers[0], "v1", "zones") or ""

    wait_for(lambda: "another magnetic tier" in why(), "it is refused with the reason")
