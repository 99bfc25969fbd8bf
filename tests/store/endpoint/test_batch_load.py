"""Batch loads: CSV files become records, once each; what cannot be loaded is in a report; a stop is continued."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from timestream_service import ACCOUNT, NOW_NS, DirectWriter, Refused, Service

from store.endpoint import WriteRecord, batch_loader, patience
from store.endpoint.batch_loader import ABANDONED_NS
from store.errors import MagneticTierError
from store.record import Applied, TableId

NOW_S = NOW_NS // 10**9
TABLE = {"DatabaseName": "db", "TableName": "t"}
DIMENSIONS = [{"SourceColumn": "host"}, {"SourceColumn": "where", "DestinationColumn": "region"}]
MULTI = {
    "TimeColumn": "at",
    "TimeUnit": "SECONDS",
    "DimensionMappings": DIMENSIONS,
    "MultiMeasureMappings": {
        "TargetMultiMeasureName": "m",
        "MultiMeasureAttributeMappings": [
            {"SourceColumn": "temp", "TargetMultiMeasureAttributeName": "temperature", "MeasureValueType": "DOUBLE"},
            {"SourceColumn": "note", "MeasureValueType": "VARCHAR"},
        ],
    },
}
MIXED = {
    **{name: MULTI[name] for name in ("TimeColumn", "TimeUnit", "DimensionMappings")},
    "MixedMeasureMappings": [
        {"SourceColumn": "temp", "TargetMeasureName": "temperature", "MeasureValueType": "DOUBLE"},
        {"MeasureName": "note", "SourceColumn": "note", "MeasureValueType": "VARCHAR"},
    ],
}
HEADER = "at,host,where,temp,note\n"


@pytest.fixture
def files(service: Service, write: Any, tmp_path: Path) -> Path:
    """The folder of the buckets `loads` and `reports`, and a table."""
    service.buckets = {"loads": tmp_path / "loads", "reports": tmp_path / "reports"}
    write.create_database(DatabaseName="db")
    write.create_table(**TABLE)
    (tmp_path / "loads" / "in").mkdir(parents=True)
    return tmp_path / "loads" / "in"


def request_of(model: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "TargetDatabaseName": "db",
        "TargetTableName": "t",
        "DataModelConfiguration": {"DataModel": model},
        "DataSourceConfiguration": {
            "DataSourceS3Configuration": {"BucketName": "loads", "ObjectKeyPrefix": "in/"},
            "DataFormat": "CSV",
        },
        "ReportConfiguration": {"ReportS3Configuration": {"BucketName": "reports", "ObjectKeyPrefix": "of/loads"}},
        **more,
    }


def load_all(service: Service, worker: str = "") -> None:
    asyncio.run(service.endpoint.loader(lambda _: service.buckets, worker).load_all())


def described(write: Any, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = write.describe_batch_load_task(TaskId=task_id)["BatchLoadTaskDescription"]
    return found


def loaded(service: Service, write: Any, model: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The description of a task that has ended."""
    task_id = write.create_batch_load_task(**request_of(model, **more))["TaskId"]
    assert described(write, task_id)["TaskStatus"] == "CREATED"
    load_all(service)
    return described(write, task_id)


def rows(query: Any, columns: str) -> list[list[str | None]]:
    answer = query.query(QueryString=f"SELECT {columns} FROM db.t ORDER BY time, host, measure_name")
    return [[value.get("ScalarValue") for value in row["Data"]] for row in answer["Rows"]]


def line(seconds_ago: int, host: str = "a", where: str = "north", temp: str = "1.5", note: str = "x") -> str:
    return f"{NOW_S - seconds_ago},{host},{where},{temp},{note}\n"


def report_of(files: Path, task: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files.parents[1] / f"reports/of/loads/{task['TaskId']}.json").read_bytes())
    return found


def test_a_row_is_a_record_of_several_measures(service: Service, write: Any, query: Any, files: Path) -> None:
    (files / "1.csv").write_text(HEADER + line(2) + line(1, "b", "", "", 'a "note"'.replace('"', '""').join('""')))

    task = loaded(service, write, MULTI)

    assert (task["TaskStatus"], "ErrorMessage" in task) == ("SUCCEEDED", False)
    assert task["ProgressReport"] == {
        "RecordsProcessed": 2,
        "RecordsIngested": 2,
        "ParseFailures": 0,
        "RecordIngestionFailures": 0,
        "FileFailures": 0,
        "BytesMetered": (files / "1.csv").stat().st_size,
    }
    assert rows(query, "host, region, measure_name, temperature, note") == [
        ["a", "north", "m", "1.5", "x"],
        ["b", None, "m", None, 'a "note"'],
    ]


def test_a_row_is_a_record_for_each_measure(service: Service, write: Any, query: Any, files: Path) -> None:
    (files / "1.csv").write_text(HEADER + line(2) + line(1, temp=""))

    task = loaded(service, write, MIXED)

    assert task["ProgressReport"]["RecordsIngested"] == 3
    assert rows(query, "measure_name, measure_value::double, measure_value::varchar") == [
        ["note", None, "x"],
        ["temperature", "1.5", None],
        ["note", None, "x"],
    ]


def test_a_column_names_the_measure(service: Service, write: Any, query: Any, files: Path) -> None:
    (files / "1.csv").write_text("at,host,where,kind,temp,note\n" + f"{NOW_S},a,n,note,1,x\n{NOW_S},b,n,other,1,x\n")

    task = loaded(service, write, {**MIXED, "MeasureNameColumn": "kind"})

    assert rows(query, "measure_name, measure_value::varchar, measure_value::double") == [
        ["note", "x", None],
        ["temperature", None, "1.0"],
        ["temperature", None, "1.0"],
    ]
    assert task["TaskStatus"] == "SUCCEEDED"


def test_the_form_of_the_files_is_the_requests(service: Service, write: Any, query: Any, files: Path) -> None:
    form = {"ColumnSeparator": ";", "QuoteChar": "'", "NullValue": "NULL", "TrimWhiteSpace": True, "EscapeChar": "\\"}
    (files / "1.csv").write_text(f"at;host;where;temp;note\n{NOW_S}; a ;NULL;2;'x;y'\n")
    source = {**request_of(MULTI)["DataSourceConfiguration"], "CsvConfiguration": form}

    loaded(service, write, MULTI, DataSourceConfiguration=source)

    assert rows(query, "host, temperature, note") == [["a", "2.0", "x;y"]]


def test_what_cannot_be_loaded_is_reported_by_line(service: Service, write: Any, query: Any, files: Path) -> None:
    (files / "1.csv").write_text(
        HEADER + line(3) + line(2, temp="warm") + line(1, temp="warm") + "1,2\n" + line(-3600) + line(0, "b")
    )
    (files / "2.csv").write_text("at,host\n1,a\n")
    (files / "3.csv").write_bytes(HEADER.encode() + line(0, "c", note="\\xff").encode().replace(b"\\xff", b"\xff"))

    task = loaded(service, write, MULTI)

    assert task["TaskStatus"] == "FAILED"
    assert {name: count for name, count in task["ProgressReport"].items() if name != "BytesMetered"} == {
        "RecordsProcessed": 7,
        "RecordsIngested": 2,
        "ParseFailures": 4,
        "RecordIngestionFailures": 1,
        "FileFailures": 1,
    }
    report = report_of(files, task)
    assert (report["taskId"], report["taskErrors"]) == (task["TaskId"], [])
    found = {
        of["fileName"]: {error["reason"]: error["lineRanges"] for error in of["errors"]} for of in report["fileErrors"]
    }
    assert found == {
        "in/1.csv": {
            "The record has a measure temperature whose value 'warm' is not a valid DOUBLE.": [[3, 4]],
            "The row has 2 values; the header has 5.": [[5, 5]],
            "The record timestamp is outside the time range of the data ingestion window.": [[6, 6]],
        },
        "in/2.csv": {"The header has no column note, temp, where.": [[1, 1]]},
        "in/3.csv": {"The row is not UTF-8.": [[2, 2]]},
    }
    assert [host for (host,) in rows(query, "host")] == ["a", "b"]


class Stop(BaseException):
    """The process is killed."""


class Stopping:
    """A writer that is killed after some writes, each of which is stored."""

    def __init__(self, writer: DirectWriter, after: int) -> None:
        self._writer = writer
        self._left = after

    async def write(self, table: TableId, records: Sequence[WriteRecord]) -> Applied:
        applied = await self._writer.write(table, records)
        self._left -= 1
        if self._left < 0:
            raise Stop
        return applied


@pytest.mark.parametrize("kills", [[0], [1, 0], [2, 0, 1], [4]])
def test_a_task_that_was_killed_is_continued_and_every_row_counts_once(
    service: Service, write: Any, query: Any, files: Path, monkeypatch: pytest.MonkeyPatch, kills: list[int]
) -> None:
    monkeypatch.setattr(batch_loader, "CHUNK_ROWS", 3)
    monkeypatch.setattr(batch_loader, "SAVE_EVERY_NS", 0)
    for file in range(3):
        (files / f"{file}.csv").write_text(
            HEADER + "".join(line(n, f"h{file}", temp=f"{n}" if n != 4 else "x") for n in range(8))
        )
    task_id = write.create_batch_load_task(**request_of(MULTI))["TaskId"]

    for kill in kills:
        loader = service.endpoint.loader(lambda _: service.buckets)
        whole, loader.write._writer = loader.write._writer, Stopping(service.writer, kill)
        with pytest.raises(Stop):
            asyncio.run(loader.load_all())
        loader.write._writer = whole
        assert described(write, task_id)["TaskStatus"] == "IN_PROGRESS"
    load_all(service)

    task = described(write, task_id)
    progress = task["ProgressReport"]
    assert (progress["RecordsProcessed"], progress["RecordsIngested"], progress["ParseFailures"]) == (24, 21, 3)
    assert len(rows(query, "host")) == 21
    for of_file in report_of(files, task)["fileErrors"]:
        assert [error["lineRanges"] for error in of_file["errors"]] == [[[6, 6]]]


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        ([Refused("log full"), TimeoutError()], "FAILED"),
        ([Refused("log full"), Stop()], "IN_PROGRESS"),
        ([Refused("log full"), MagneticTierError("no tier")], "PROGRESS_STOPPED"),
    ],
    ids=["overloaded", "killed", "stopped"],
)
def test_rows_count_once_whatever_happens_while_they_wait(
    service: Service, write: Any, files: Path, monkeypatch: pytest.MonkeyPatch, errors: list[BaseException], state: str
) -> None:
    monkeypatch.setattr(patience, "AGAIN_AFTER_S", 0)
    (files / "1.csv").write_text(HEADER + line(1) + line(2, temp="x"))
    task_id = write.create_batch_load_task(**request_of(MULTI))["TaskId"]
    left, plain = list(errors), service.writer.write

    async def failing(table: TableId, records: Sequence[WriteRecord]) -> Applied:
        if left:
            raise left.pop(0)
        return await plain(table, records)

    monkeypatch.setattr(service.writer, "write", failing)
    with suppress(Stop):
        load_all(service)
    assert described(write, task_id)["TaskStatus"] == state
    if state == "PROGRESS_STOPPED":
        write.resume_batch_load_task(TaskId=task_id)
    load_all(service)

    progress = described(write, task_id)["ProgressReport"]
    counted = [progress[name] for name in ("RecordsProcessed", "RecordsIngested", "ParseFailures")]
    assert (left, counted) == ([], [2, 1, 1])


def test_a_task_that_has_stopped_is_resumed(service: Service, write: Any, query: Any, files: Path) -> None:
    (files / "1.csv").write_text(HEADER + line(1))
    task_id = write.create_batch_load_task(**request_of(MULTI))["TaskId"]
    buckets, service.buckets = service.buckets, {}
    load_all(service)
    stopped = described(write, task_id)
    service.buckets = buckets

    write.resume_batch_load_task(TaskId=task_id)
    assert described(write, task_id)["TaskStatus"] == "PENDING_RESUME"
    load_all(service)

    assert stopped["TaskStatus"] == "PROGRESS_STOPPED"
    assert "The account may not use the bucket loads any more" in stopped["ErrorMessage"]
    assert described(write, task_id)["TaskStatus"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="only one that is PROGRESS_STOPPED can be resumed"):
        write.resume_batch_load_task(TaskId=task_id)


def test_another_worker_takes_over_only_what_is_abandoned(
    service: Service, write: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "1.csv").write_text(HEADER + line(1))
    task_id = write.create_batch_load_task(**request_of(MULTI))["TaskId"]
    first = service.endpoint.loader(lambda _: service.buckets, "first")
    whole, first.write._writer = first.write._writer, Stopping(service.writer, 0)
    with pytest.raises(Stop):
        asyncio.run(first.load_all())
    first.write._writer = whole

    load_all(service, "second")
    early = described(write, task_id)["TaskStatus"]
    service.clock.now_ns += ABANDONED_NS
    load_all(service, "second")

    assert (early, described(write, task_id)["TaskStatus"]) == ("IN_PROGRESS", "SUCCEEDED")


def test_no_file_is_a_failure(service: Service, write: Any, files: Path) -> None:
    task = loaded(service, write, MULTI)

    assert task["TaskStatus"] == "FAILED"
    assert report_of(files, task)["taskErrors"] == ["There are 0 files; from 1 to 100 can be loaded."]


def test_a_data_model_may_be_in_a_bucket(service: Service, write: Any, query: Any, files: Path) -> None:
    (files / "1.csv").write_text(HEADER + line(1))
    (files.parent / "model.json").write_text(json.dumps(MULTI))
    at = {"DataModelS3Configuration": {"BucketName": "loads", "ObjectKey": "model.json"}}

    task = loaded(service, write, {}, DataModelConfiguration=at)

    assert (task["TaskStatus"], task["DataModelConfiguration"]) == ("SUCCEEDED", at)


def test_the_same_token_is_the_same_task(write: Any, files: Path) -> None:
    first = write.create_batch_load_task(**request_of(MULTI, ClientToken="one"))["TaskId"]

    assert write.create_batch_load_task(**request_of(MULTI, ClientToken="one"))["TaskId"] == first
    assert write.create_batch_load_task(**request_of(MULTI, ClientToken="two"))["TaskId"] != first
    with pytest.raises(write.exceptions.ConflictException):
        write.create_batch_load_task(**request_of(MIXED, ClientToken="one"))


def test_tasks_are_listed_in_pages_and_by_status(service: Service, write: Any, files: Path) -> None:
    ids = []
    for number in range(3):
        service.clock.now_ns += 1
        ids.append(write.create_batch_load_task(**request_of(MULTI, ClientToken=f"{number}"))["TaskId"])

    first = write.list_batch_load_tasks(MaxResults=2)
    second = write.list_batch_load_tasks(MaxResults=2, NextToken=first["NextToken"])

    assert [task["TaskId"] for task in (*first["BatchLoadTasks"], *second["BatchLoadTasks"])] == ids
    assert "NextToken" not in second
    assert first["BatchLoadTasks"][0]["TableName"] == "t"
    assert write.list_batch_load_tasks(TaskStatus="SUCCEEDED")["BatchLoadTasks"] == []


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (request_of(MULTI, TargetTableName="nothing"), "The table nothing does not exist"),
        (request_of({**MULTI, "TimeColumn": None} | {"TimeUnit": "SECONDS"}), "needs a TimeColumn"),
        (
            request_of({**MULTI, "MixedMeasureMappings": MIXED["MixedMeasureMappings"]}),
            "either MultiMeasureMappings or",
        ),
        (request_of({name: of for name, of in MULTI.items() if "Mul" not in name}), "either MultiMeasureMappings or"),
        (request_of(MULTI, DataModelConfiguration={}), "needs either a DataModel or a DataModelS3Configuration"),
        (request_of(MULTI, ReportConfiguration={}), "needs a ReportS3Configuration"),
        (request_of(MULTI, RecordVersion=0), "RecordVersion must be 1 or greater"),
        (
            request_of({**MULTI, "TimeColumn": "x" * 256, "DimensionMappings": DIMENSIONS * 900}),
            "with its data model; 65536 are allowed",
        ),
        (
            request_of(MULTI, ReportConfiguration={"ReportS3Configuration": {"BucketName": "other"}}),
            "The bucket other is not one of those that this account may use",
        ),
    ],
)
def test_what_cannot_be_a_task_is_refused(write: Any, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        write.create_batch_load_task(**request_)


def test_a_task_of_another_account_is_not_there(service: Service, write: Any, files: Path) -> None:
    task_id = write.create_batch_load_task(**request_of(MULTI))["TaskId"]
    body = json.dumps({"TaskId": task_id}).encode()

    answer = asyncio.run(service.endpoint.handle("Timestream_20181101.DescribeBatchLoadTask", {}, body, ACCOUNT + "X"))

    assert answer.status == 404
    with pytest.raises(write.exceptions.ResourceNotFoundException, match="The batch load task ABC does not exist"):
        write.describe_batch_load_task(TaskId="ABC")
