"""boto3's Timestream clients against the running product, with nothing of ours but `endpoint_url`."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.base.errors import ServerRefused
from tests.end_to_end.running_product import TABLES, Device, command, config, count, now_ms, rows
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

QUERY = """SELECT BIN(time, 5m) AS binned_time, AVG(measure_value::double) AS avg_cpu FROM "MyDatabase"."MyTable" WHERE measure_name = 'CPUUtilization' AND time > ago(6h)
     GROUP BY binned_time ORDER BY binned_time"""  # noqa: E501  # as users have it
TOKENS = [
    {"token": "secret-of-farm-7", "account": "farm-7"},
    {"token": "secret-of-farm-8", "account": "farm-8"},
    {"token": "secret-of-a-reader", "account": "farm-7", "role": "read"},
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that asks for tokens; devices have accounts, too."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    users = [{"username": name, "password": "p", "account": name} for name in ("farm-7", "farm-8")]
    tables = [{**TABLES[0], "rollups": [{"bin": "1m"}]}]
    text = config(folder, http={"address": "127.0.0.1:0", "tokens": TOKENS}, tables=tables)
    text = text.replace('http: {address: "127.0.0.1:0"}\n', "", 1)
    text = text.replace('listener: {address: "127.0.0.1:0"}\n', "", 1)
    listener = {"address": "127.0.0.1:0", "users": users}
    buckets = [{"name": "exports", "url": str(folder / "exports"), "accounts": ["farm-7"]}]
    with Product(folder, text + f"listener: {listener}\nbuckets: {buckets}\n") as running:
        yield running


def client(product: Product, service: str, key: str = "any", secret: str = "any") -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://{product.http}",
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def record(value: float, time_ms: int, **more: Any) -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": "host", "Value": "h1"}],
        "MeasureName": "CPUUtilization",
        "MeasureValue": str(value),
        "MeasureValueType": "DOUBLE",
        "Time": str(time_ms),
        **more,
    }


def write_and_ask(product: Product, **keys: str) -> None:
    """Make a table, write to it through the log, be told of a conflict, and ask the documented question."""
    write, query = client(product, "timestream-write", **keys), client(product, "timestream-query", **keys)
    write.create_database(DatabaseName="MyDatabase")
    write.create_table(DatabaseName="MyDatabase", TableName="MyTable")
    bin_ms = now_ms() // 300_000 * 300_000 - 600_000
    records = [record(value, bin_ms + number) for number, value in enumerate((10, 20, 60))]

    ingested = write.write_records(DatabaseName="MyDatabase", TableName="MyTable", Records=records)
    conflict = [record(99, bin_ms), record(70, bin_ms + 300_000)]
    with pytest.raises(write.exceptions.RejectedRecordsException) as caught:
        write.write_records(DatabaseName="MyDatabase", TableName="MyTable", Records=conflict)
    answer = query.query(QueryString=QUERY)
    prepared = query.prepare_query(QueryString=QUERY, ValidateOnly=True)
    write.close()
    query.close()

    assert ingested["RecordsIngested"]["Total"] == 3
    (rejected,) = caught.value.response["RejectedRecords"]
    assert (rejected["RecordIndex"], rejected["ExistingVersion"]) == (0, 1)
    for columns in (answer["ColumnInfo"], prepared["Columns"]):
        assert [column["Name"] for column in columns] == ["binned_time", "avg_cpu"]
    averages = [tuple(value["ScalarValue"] for value in row["Data"]) for row in answer["Rows"]]
    assert averages == [(bin_text(bin_ms), "30.0"), (bin_text(bin_ms + 300_000), "70.0")]


def bin_text(time_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time_ms // 1000)) + ".000000000"


def test_write_records_goes_through_the_log_and_the_query_is_answered_unchanged(product: Product) -> None:
    write_and_ask(product)


def test_what_devices_sent_is_asked_with_boto3(product: Product) -> None:
    with Device(product) as device:
        device.publish("farm/gh-boto/north/s1", {"ts": now_ms(), "temperature": 21.5})
    wait_for(lambda: count(product, "WHERE greenhouse = 'gh-boto'") == 1, "the row is stored")
    query = client(product, "timestream-query")

    answer = query.query(
        QueryString="SELECT sensor, COUNT(*), COUNT(DISTINCT zone), MAX(temperature) "
        'FROM "farm"."climate" WHERE greenhouse = \'gh-boto\' GROUP BY sensor ORDER BY sensor LIMIT 5'
    )
    query.close()

    assert [[value["ScalarValue"] for value in row["Data"]] for row in answer["Rows"]] == [["s1", "1", "1", "21.5"]]


def test_signed_with_an_accounts_token(guarded: Product) -> None:
    write_and_ask(guarded, key="farm-7", secret="secret-of-farm-7")


@pytest.mark.parametrize(
    ("key", "secret"),
    [("farm-7", "wrong"), ("farm-7", "secret-of-farm-8"), ("nobody", "secret-of-farm-7")],
)
def test_signed_with_another_secret_is_denied(guarded: Product, key: str, secret: str) -> None:
    query = client(guarded, "timestream-query", key, secret)

    with pytest.raises(ClientError) as caught:
        query.query(QueryString="SELECT 1")
    query.close()

    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "the access key id is the account's name" in caught.value.response["Error"]["Message"]


LOADED_ROWS = 40_000  # so many that the worker is killed in between

UNLOAD = "UNLOAD (SELECT 'a' AS x) TO 's3://exports/of-7' WITH (compression = 'NONE')"


def test_a_result_is_unloaded_into_a_bucket_of_the_account(guarded: Product) -> None:
    query = client(guarded, "timestream-query", "farm-7", "secret-of-farm-7")

    answer = query.query(QueryString=UNLOAD)
    query.close()

    rows, _, manifest = (value["ScalarValue"] for value in answer["Rows"][0]["Data"])
    folder = guarded.folder / "exports"
    (file,) = json.loads((folder / manifest.removeprefix("s3://exports/")).read_bytes())["result_files"]
    assert rows == "1"
    assert (folder / file["url"].removeprefix("s3://exports/")).read_text() == "a\n"


def test_a_file_is_loaded_from_a_bucket_and_each_row_counts_once_if_the_worker_is_killed(guarded: Product) -> None:
    folder = guarded.folder / "exports" / "in"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{now_ms()},h{number},{number if number % 2 else 'none'}" for number in range(LOADED_ROWS)]
    (folder / "1.csv").write_text("\n".join(["at,host,load", *lines]))
    write = client(guarded, "timestream-write", "farm-7", "secret-of-farm-7")
    write.create_database(DatabaseName="loaded")
    write.create_table(DatabaseName="loaded", TableName="t")
    attribute = {"SourceColumn": "load", "MeasureValueType": "DOUBLE"}
    model = {
        "TimeColumn": "at",
        "DimensionMappings": [{"SourceColumn": "host"}],
        "MultiMeasureMappings": {"TargetMultiMeasureName": "m", "MultiMeasureAttributeMappings": [attribute]},
    }

    task_id = write.create_batch_load_task(
        TargetDatabaseName="loaded",
        TargetTableName="t",
        DataModelConfiguration={"DataModel": model},
        DataSourceConfiguration={
            "DataSourceS3Configuration": {"BucketName": "exports", "ObjectKeyPrefix": "in/"},
            "DataFormat": "CSV",
        },
        ReportConfiguration={"ReportS3Configuration": {"BucketName": "exports"}},
    )["TaskId"]

    def task() -> dict[str, Any]:
        return dict(write.describe_batch_load_task(TaskId=task_id)["BatchLoadTaskDescription"])

    wait_for(lambda: task()["ProgressReport"]["RecordsProcessed"] > 0, "rows are loaded", every_s=0.02)
    guarded.kill("worker")
    wait_for(guarded.is_answering, "the worker is there again")
    wait_for(lambda: task()["TaskStatus"] == "FAILED", "the task has ended")

    progress = task()["ProgressReport"]
    loaded = rows(guarded.client("secret-of-farm-7"), 'SELECT count(*), count(DISTINCT host) FROM "loaded"."t"')
    write.close()
    assert progress["RecordsProcessed"] == LOADED_ROWS
    assert progress["RecordsIngested"] == progress["ParseFailures"] == LOADED_ROWS // 2
    assert loaded == [[LOADED_ROWS // 2, LOADED_ROWS // 2]]
    report = json.loads((guarded.folder / "exports" / f"{task_id}.json").read_bytes())
    assert report["fileErrors"][0]["errors"][0]["lineRanges"][:3] == [[2, 2], [4, 4], [6, 6]]


SCHEDULED = f"""SELECT 'a' AS host, @scheduled_runtime + n * 1ms AS at, n AS value FROM (
    SELECT (a - 1) * 200 + b AS n FROM UNNEST(sequence(1, {LOADED_ROWS // 200})) t(a), UNNEST(sequence(1, 200)) u(b))"""


def test_a_scheduled_query_counts_each_row_once_if_the_worker_is_killed(guarded: Product) -> None:
    key = ("farm-7", "secret-of-farm-7")
    write, query = client(guarded, "timestream-write", *key), client(guarded, "timestream-query", *key)
    write.create_database(DatabaseName="summed")
    write.create_table(DatabaseName="summed", TableName="t")
    attribute = {"SourceColumn": "value", "MeasureValueType": "BIGINT"}
    target = {
        "DatabaseName": "summed",
        "TableName": "t",
        "TimeColumn": "at",
        "DimensionMappings": [{"Name": "host", "DimensionValueType": "VARCHAR"}],
        "MultiMeasureMappings": {"TargetMultiMeasureName": "m", "MultiMeasureAttributeMappings": [attribute]},
    }
    arn = query.create_scheduled_query(
        Name="numbers",
        QueryString=SCHEDULED,
        ScheduleConfiguration={"ScheduleExpression": "rate(1 day)"},
        NotificationConfiguration={"SnsConfiguration": {"TopicArn": "arn:aws:sns:eu-west-1:1:t"}},
        TargetConfiguration={"TimestreamConfiguration": target},
        ScheduledQueryExecutionRoleArn="arn:aws:iam::1:role/r",
        ErrorReportConfiguration={"S3Configuration": {"BucketName": "exports"}},
    )["Arn"]
    asking = guarded.client("secret-of-farm-7")

    query.execute_scheduled_query(ScheduledQueryArn=arn, InvocationTime=now_ms() // 1000 - 600)

    def last() -> Any:
        return query.describe_scheduled_query(ScheduledQueryArn=arn)["ScheduledQuery"].get("LastRunSummary")

    counted = 'SELECT count(*) FROM "summed"."t"'
    wait_for(lambda: last() or rows(asking, counted) != [[0]], "rows are stored", every_s=0.02)
    assert last() is None, last()
    guarded.kill("worker")
    wait_for(guarded.is_answering, "the worker is there again")
    run = wait_for(last, "the run has ended")
    found = rows(asking, 'SELECT count(*), count(DISTINCT value), sum(value) FROM "summed"."t"')
    for each in (write, query):
        each.close()
    assert run["RunStatus"] == "MANUAL_TRIGGER_SUCCESS", run
    assert run["ExecutionStats"]["RecordsIngested"] == LOADED_ROWS
    assert found == [[LOADED_ROWS, LOADED_ROWS, LOADED_ROWS * (LOADED_ROWS + 1) // 2]]


def climate(rng: random.Random, back_ms: int) -> dict[str, Any]:
    names = {"greenhouse": "gh-rolled", "zone": "north", "sensor": f"s{rng.randrange(4)}"}
    return {
        "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
        "MeasureName": "readings",
        "MeasureValueType": "MULTI",
        "MeasureValues": [{"Name": "temperature", "Value": f"{rng.randrange(50)}", "Type": "DOUBLE"}],
        "Time": str((now_ms() - rng.randrange(back_ms)) // 1_000 * 1_000),
        "Version": now_ms(),
    }


@pytest.mark.timeout(300)
def test_a_rollup_table_is_right_after_kills_and_late_and_replaced_rows(guarded: Product) -> None:
    write, rng = client(guarded, "timestream-write", "farm-7", "secret-of-farm-7"), random.Random(1)
    asking = guarded.client("secret-of-farm-7")
    end_ms = now_ms() // 60_000 * 60_000
    of, until = "greenhouse = 'gh-rolled' AND time <", f"from_milliseconds({end_ms})"
    made = f'SELECT sensor, time, temperature_count, temperature_sum FROM "farm"."climate_1m" WHERE {of} {until}'
    asked = (
        "SELECT sensor, bin(time, 1m) AS minute, count(temperature) AS n, sum(temperature) AS total "
        f'FROM "farm"."climate" WHERE {of} {until} GROUP BY 1, 2'
    )

    for batch in range(12):
        back_ms = 3_600_000 if batch % 5 == 0 else 600_000
        records = {(each["Time"], str(each["Dimensions"])): each for each in (climate(rng, back_ms) for _ in range(60))}
        write.write_records(DatabaseName="farm", TableName="climate", Records=list(records.values()))
        if batch == 3:
            wait_for(lambda: rows(asking, made), "the first bins are made", timeout_s=120)
        if batch in {3, 7}:
            guarded.kill("worker")
            wait_for(guarded.is_answering, "the worker is there again")
    write.close()

    wanted = sorted(rows(asking, asked))
    assert len(wanted) > 100
    wait_for(lambda: sorted(rows(asking, made)) == wanted, "every bin is made", timeout_s=120)


@pytest.mark.parametrize(
    ("key", "secret"),
    [("farm-7", "secret-of-a-reader"), ("farm-8", "secret-of-farm-8")],
    ids=["a token that may only read", "another account"],
)
def test_who_may_not_write_to_a_bucket_cannot_unload(guarded: Product, key: str, secret: str) -> None:
    query = client(guarded, "timestream-query", key, secret)

    with pytest.raises(ClientError, match="The bucket exports is not one of those that this account may write to"):
        query.query(QueryString=UNLOAD)
    query.close()


def test_the_answers_of_two_servers_are_compared(product: Product, guarded: Product, tmp_path: Path) -> None:
    """Both with their own credentials: what is the same is said so, what only one has is shown."""
    queries = tmp_path / "queries.sql"
    queries.write_text('SELECT 1 AS n, \'ü\' AS name;\nSHOW DATABASES;\nSELECT x FROM "no"."table"')
    client(guarded, "timestream-write", "farm-7", "secret-of-farm-7").create_database(DatabaseName="only_here")

    ends = ("--from", f"http://{product.http}", "--to", f"http://{guarded.http}", "--account", "farm-7")
    ran = command("migrate", "verify", *ends, str(queries), token="secret-of-farm-7")

    same, different, refused, *_ = [line for line in ran.out.splitlines() if line.startswith(str(queries))]
    assert ran.code == 1
    assert same == f"{queries}:1: same, 1 rows"
    assert different.startswith(f"{queries}:2: different")
    assert "+ only_here" in ran.out.splitlines()
    assert refused.startswith(f"{queries}:3: different")
    assert "--from refuses it: ValidationException" in ran.out
    assert "--to refuses it: ValidationException" in ran.out


def test_accounts_see_their_own_rows_by_every_way(guarded: Product) -> None:
    """The account comes from the MQTT user, the token, or the access key: never from the payload."""
    for number, account in enumerate(("farm-7", "farm-8")):
        device = Device(guarded, user=(account, "p"))
        with device:
            device.publish("farm/gh-1/north/s1", {"ts": now_ms(), "temperature": 7 + number, "account": "farm-9"})
    sql = 'SELECT temperature FROM "farm"."climate" WHERE greenhouse = \'gh-1\''
    seen = {}
    for account in ("farm-7", "farm-8"):
        with guarded.client(f"secret-of-{account}") as http:
            by_token = wait_for(lambda http=http: rows(http, sql), "the row is stored")  # type: ignore[misc]
        query = client(guarded, "timestream-query", account, f"secret-of-{account}")
        by_key = query.query(QueryString=sql)["Rows"][0]["Data"][0]["ScalarValue"]
        query.close()
        seen[account] = (by_token, by_key)

    assert seen == {"farm-7": ([[7.0]], "7.0"), "farm-8": ([[8.0]], "8.0")}
    with guarded.client() as nobody, pytest.raises(ServerRefused, match="asks for a token"):
        nobody.get("v1", "zones")
