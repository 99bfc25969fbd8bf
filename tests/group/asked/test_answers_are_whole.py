"""Any worker answers any question for all of them; what would lack something is refused by name."""

from __future__ import annotations

import itertools
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from pipeline.base.errors import ServerRefused, ServerUnreachable
from tests.group.asked.conftest import TOKENS
from tests.support.certificate_files import Authority
from tests.support.group_kit import ZONES, ask, count, device, owned, publish, refusal, shared_out
from tests.support.group_product import GroupProduct, Part
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

HOUSE, QUIET, GONE = "answers", "quiet", "gone"  # greenhouses


def timestream(service: str, worker: Part, authority: Authority, account: str = "farm-7") -> Any:
    """A client of AWS for this worker."""
    (secret,) = [entry["token"] for entry in TOKENS if entry.get("account") == account]
    return boto3.client(
        service,
        endpoint_url=f"https://{worker.http}",
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key=secret,
        verify=str(authority.ca),
        config=Config(retries={"max_attempts": 10, "mode": "standard"}),
    )


def test_every_worker_answers_for_all_partitions(group: GroupProduct) -> None:
    """Rows not yet in the magnetic tier, zones, averages, devices: the same from both workers."""
    with device(group) as sensor:
        for temperature in (20.0, 22.0):
            publish(sensor, house=HOUSE, temperature=temperature)
    for worker in group.workers:
        wait_for(lambda worker=worker: count(worker, HOUSE) == 2 * len(ZONES), "both have all rows")  # type: ignore[misc]

    first, second = [
        wait_for(lambda worker=worker: answers_of(worker), "every question is answered")  # type: ignore[misc]
        for worker in group.workers
    ]

    assert first == second
    zones, averages, sensors, rows = first
    assert zones == sorted(f"{HOUSE}/{zone}" for zone in ZONES)
    assert averages == [(f"{HOUSE}/{zone}", [(21.0, 2)]) for zone in ZONES]
    assert sensors == sorted(f"s-{zone}" for zone in ZONES)
    assert len(rows) == 2 * len(ZONES)
    assert all(0 < len(owned(group, worker)) < 4 for worker in group.workers)


def answers_of(worker: Part) -> tuple[Any, ...] | None:
    """Zones, averages, sensors and rows as this worker tells them; None while one of them is not within its reach."""
    try:
        with worker.client() as client:
            averages = client.get(
                "v1",
                "averages",
                parameters=[*(("zone", f"{HOUSE}/{zone}") for zone in ZONES), ("measure", "temperature")],
            )
            devices = [entry["dimensions"] for entry in client.get("v1", "devices")["devices"]]
            zones = [entry["zone"] for entry in client.get("v1", "zones")["zones"]]
            sql = f"""SELECT zone, temperature FROM "faults"."table_00" WHERE greenhouse = '{HOUSE}' ORDER BY 1, 2"""
            return (
                [zone for zone in zones if zone.startswith(f"{HOUSE}/")],
                [(of["zone"], [(a["average"], a["count"]) for a in of["averages"]]) for of in averages["results"]],
                sorted(dimensions["sensor"] for dimensions in devices if dimensions.get("greenhouse") == HOUSE),
                ask(client, sql).to_pylist(),
            )
    except ServerRefused:
        return None


def test_a_delete_at_one_worker_deletes_in_all_partitions(group: GroupProduct) -> None:
    """It answers when every worker has carried it out, with the rows of all; the other worker has none at once."""
    asked, other = group.workers
    with device(group) as sensor:
        publish(sensor, house=GONE, temperature=20.0)
    for worker in group.workers:
        wait_for(lambda worker=worker: count(worker, GONE) == len(ZONES), "both have all rows")  # type: ignore[misc]
    body = {"sql": f"DELETE FROM faults.table_00 WHERE greenhouse = '{GONE}'", "confirm": True, "purge": True}

    with asked.client() as client:
        done = client.post("v1", "deletes", body=body).json()
        while done["state"] == "running":
            done = client.get("v1", "deletes", done["id"])
    left = count(other, GONE), count(asked, GONE)

    assert (done["state"], done["rows"]) == ("done", len(ZONES))
    assert left == (0, 0)
    with other.client() as client:
        assert client.get("v1", "deletes", done["id"]) == done


def test_a_silent_worker_fails_the_query_by_name_and_its_partitions_are_taken_over(group: GroupProduct) -> None:
    """Stopped, it keeps its connections open and says nothing. Never a part of the rows as if it were all."""
    quiet, other = group.workers
    with device(group) as sensor:
        publish(sensor, house=QUIET, temperature=20.0)
        wait_for(lambda: count(other, QUIET) == len(ZONES), "all rows are there")
        quiet.pause()
        try:
            why = refusal(other)
            wait_for(lambda: count(other, QUIET) == len(ZONES), "the other has taken over", timeout_s=60)
            publish(sensor, house=QUIET, temperature=21.0)
            wait_for(lambda: count(other, QUIET) == 2 * len(ZONES), "and reads on", timeout_s=60)
        finally:
            quiet.go_on()
        # it finds out that its partitions are not its own any more: until then it must not answer as if they were
        answers = {count(quiet, QUIET) for _ in range(20)} - {-1}

        assert why is not None
        assert quiet.http in why
        assert answers <= {2 * len(ZONES)}
        wait_for(lambda: shared_out(group), "they share again", timeout_s=60)
        for worker in group.workers:
            wait_for(lambda worker=worker: count(worker, QUIET) == 2 * len(ZONES), "both have all", timeout_s=60)  # type: ignore[misc]


def test_a_scheduled_query_reads_and_writes_rows_of_all_partitions(group: GroupProduct, authority: Authority) -> None:
    """Created here, run by hand there, by whichever worker takes it: one run, each row once."""
    writer = timestream("timestream-write", group.workers[0], authority)
    queries = [timestream("timestream-query", worker, authority) for worker in group.workers]
    writer.create_database(DatabaseName="summed")
    for table in ("t", "sums"):
        writer.create_table(DatabaseName="summed", TableName=table)
    now_s = int(time.time())
    records = [
        {
            "Dimensions": [{"Name": "host", "Value": f"h{number % 40}"}],
            "MeasureName": "load",
            "MeasureValue": f"{number}",
            "Time": f"{(now_s - number) * 1000}",
        }
        for number in range(80)
    ]
    writer.write_records(DatabaseName="summed", TableName="t", Records=records)
    attribute = {"SourceColumn": "total", "MeasureValueType": "DOUBLE"}
    target = {
        "DatabaseName": "summed",
        "TableName": "sums",
        "TimeColumn": "at",
        "DimensionMappings": [{"Name": "host", "DimensionValueType": "VARCHAR"}],
        "MultiMeasureMappings": {"TargetMultiMeasureName": "m", "MultiMeasureAttributeMappings": [attribute]},
    }
    arn = queries[0].create_scheduled_query(
        Name="sums",
        QueryString="SELECT host, @scheduled_runtime AS at, sum(measure_value::double) AS total "
        "FROM summed.t WHERE time <= @scheduled_runtime GROUP BY host",
        ScheduleConfiguration={"ScheduleExpression": "rate(1 day)"},
        NotificationConfiguration={"SnsConfiguration": {"TopicArn": "arn:aws:sns:us-east-1:1:t"}},
        TargetConfiguration={"TimestreamConfiguration": target},
        ScheduledQueryExecutionRoleArn="arn:aws:iam::1:role/r",
        ErrorReportConfiguration={"S3Configuration": {"BucketName": "reports"}},
    )["Arn"]
    queries[1].execute_scheduled_query(ScheduledQueryArn=arn, InvocationTime=now_s)

    def last(query: Any) -> Any:
        return query.describe_scheduled_query(ScheduledQueryArn=arn)["ScheduledQuery"].get("LastRunSummary")

    runs = [wait_for(lambda query=query: last(query), "the run has ended") for query in queries]  # type: ignore[misc]
    found = [
        query.query(QueryString="SELECT count(*), count(DISTINCT host), sum(total) FROM summed.sums")["Rows"][0]["Data"]
        for query in queries
    ]
    for client in (writer, *queries):
        client.close()
    assert runs[0] == runs[1]
    assert (runs[0]["RunStatus"], runs[0]["ExecutionStats"]["RecordsIngested"]) == ("MANUAL_TRIGGER_SUCCESS", 40)
    for values in found:
        assert [value["ScalarValue"] for value in values] == ["40", "40", f"{sum(range(80))}.0"]


def test_timestream_clients_write_and_query_through_any_worker(group: GroupProduct, authority: Authority) -> None:
    """CreateTable here, WriteRecords there, for series of all partitions; version rules are those of their owner."""
    writers = [timestream("timestream-write", worker, authority) for worker in group.workers]
    queries = [timestream("timestream-query", worker, authority) for worker in group.workers]
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


def test_pages_of_a_query_are_had_and_cancelled_at_any_worker(group: GroupProduct, authority: Authority) -> None:
    """The first one keeps the result; requests, signed for where they were sent, are passed on to it."""
    writer = timestream("timestream-write", group.workers[0], authority)
    queries = [timestream("timestream-query", worker, authority) for worker in group.workers]
    writer.create_database(DatabaseName="pages")
    writer.create_table(DatabaseName="pages", TableName="t")
    now_ms = str(time.time_ns() // 10**6)
    hosts = [f"h{number:02}" for number in range(20)]
    common = {"MeasureName": "cpu", "MeasureValue": "1", "MeasureValueType": "DOUBLE", "Time": now_ms}
    records = [{"Dimensions": [{"Name": "host", "Value": host}]} for host in hosts]
    writer.write_records(DatabaseName="pages", TableName="t", Records=records, CommonAttributes=common)

    asked: dict[str, Any] = {"QueryString": 'SELECT host FROM "pages"."t" ORDER BY host', "MaxRows": 3}
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


def test_usage_is_summed_over_workers(group: GroupProduct) -> None:
    first, second = group.workers

    def records(worker: Part) -> int:
        try:
            with worker.client() as client:
                lines = client.get("v1", "usage", parameters=[("by", "table")])["usage"]
        except (ServerRefused, ServerUnreachable):
            return -1
        return next((int(line["records"]) for line in lines if line["table"] == "table_00"), 0)

    before = wait_for(lambda: (records(first),) if records(first) == records(second) >= 0 else None, "both agree")[0]
    with device(group) as sensor:
        publish(sensor, house="usage", temperature=20.0)

    for worker in group.workers:
        wait_for(lambda worker=worker: records(worker) == before + len(ZONES), "each has all partitions")  # type: ignore[misc]
