"""CreateBatchLoadTask, DescribeBatchLoadTask, ListBatchLoadTasks, ResumeBatchLoadTask."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from store.endpoint.batch_model import model_fault
from store.endpoint.batch_task import (
    FAILED,
    PENDING_RESUME,
    PROGRESS_STOPPED,
    SUCCEEDED,
    BatchTask,
    change_tasks,
    tasks_of,
)
from store.endpoint.context import Context
from store.endpoint.errors import Conflict, ResourceNotFound, ServiceQuotaExceeded, Validation
from store.endpoint.pages import page
from store.endpoint.shapes import DATA_MODEL, violations
from store.endpoint.write import find_table, refuse_made
from store.objects.read_files import open_file
from store.record import TableId

TASKS_MAX = 50  # of an account; the oldest of those that have ended are forgotten
PAGE_MAX = 100
REQUEST_MAX_BYTES = 2**16  # with its data model: it is kept in the catalog


def create(call: Context) -> dict[str, object]:
    """Begin a task; one that was begun with the same ClientToken is returned. Raises EndpointError."""
    request = {name: value for name, value in call.request.items() if value is not None}
    table = TableId(call.account, request["TargetDatabaseName"], request["TargetTableName"])
    refuse_made(call, table)
    find_table(call.store, table)
    _bucket(call, request["DataSourceConfiguration"]["DataSourceS3Configuration"]["BucketName"])
    report = request["ReportConfiguration"].get("ReportS3Configuration")
    if report is None:
        raise Validation("ReportConfiguration needs a ReportS3Configuration.")
    _bucket(call, report["BucketName"])
    if request.get("RecordVersion", 1) < 1:
        raise Validation("RecordVersion must be 1 or greater.")
    new = BatchTask(uuid.uuid4().hex.upper(), request, _model(call, request), call.now_ns, call.now_ns)

    size = len(msgspec.json.encode([new.request, new.model]))
    if size > REQUEST_MAX_BYTES:
        raise Validation(f"The request has {size} bytes with its data model; {REQUEST_MAX_BYTES} are allowed.")

    def changed(tasks: dict[str, BatchTask]) -> BatchTask:
        token = request.get("ClientToken")
        same = next((task for task in tasks.values() if token and task.request.get("ClientToken") == token), None)
        if same is not None:
            if same.request != request:
                raise Conflict("A task was created with this ClientToken and another request.")
            return same
        _make_room(tasks)
        tasks[new.id] = new
        return new

    return {"TaskId": change_tasks(call.store.catalog, call.account, changed).id}


def describe(call: Context) -> dict[str, object]:
    """How far a task is. Raises ResourceNotFound."""
    task = _found(tasks_of(call.store.catalog, call.account), call.request["TaskId"])
    asked = ("DataSourceConfiguration", "ReportConfiguration", "DataModelConfiguration")
    return {
        "BatchLoadTaskDescription": {
            **_times(task),
            **{name: task.request[name] for name in asked if name in task.request},
            **({"ErrorMessage": task.message} if task.message else {}),
            "ProgressReport": msgspec.to_builtins(task.progress),
            "TargetDatabaseName": task.request["TargetDatabaseName"],
            "TargetTableName": task.request["TargetTableName"],
            "RecordVersion": task.request.get("RecordVersion", 1),
        }
    }


def list_tasks(call: Context) -> dict[str, object]:
    """The account's tasks, by the time of their creation."""
    wanted = call.request.get("TaskStatus")
    found = [task for task in tasks_of(call.store.catalog, call.account).values() if wanted in {None, task.status}]
    return page(call.request, sorted(found, key=_key), _key, "BatchLoadTasks", _entry, most=PAGE_MAX)


def resume(call: Context) -> dict[str, object]:
    """Continue a task that has stopped. Raises ResourceNotFound, Validation."""

    def changed(tasks: dict[str, BatchTask]) -> BatchTask:
        task = _found(tasks, call.request["TaskId"])
        if task.status != PROGRESS_STOPPED:
            raise Validation(f"The task {task.id} is {task.status}; only one that is PROGRESS_STOPPED can be resumed.")
        task.status, task.message, task.updated_ns = PENDING_RESUME, "", call.now_ns
        return task

    change_tasks(call.store.catalog, call.account, changed)
    return {}


OPERATIONS: Mapping[str, Callable[[Context], dict[str, object]]] = {
    "CreateBatchLoadTask": create,
    "DescribeBatchLoadTask": describe,
    "ListBatchLoadTasks": list_tasks,
    "ResumeBatchLoadTask": resume,
}


def _bucket(call: Context, name: str) -> Any:
    place = call.buckets.get(name)
    if place is None:
        raise Validation(
            f"The bucket {name} is not one of those that this account may use; the server's setting buckets names "
            f"them: {', '.join(sorted(call.buckets)) or 'none'}"
        )
    return place


def _model(call: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The data model of the request, which may be in a bucket. Raises Validation."""
    given = request.get("DataModelConfiguration") or {}
    model, at = given.get("DataModel"), given.get("DataModelS3Configuration")
    if (model is None) == (at is None):
        raise Validation("DataModelConfiguration needs either a DataModel or a DataModelS3Configuration.")
    found: dict[str, Any] = model or _model_in_bucket(call, at or {})
    fault = model_fault(found)
    if fault is not None:
        raise Validation(fault)
    return found


def _model_in_bucket(call: Context, at: Mapping[str, Any]) -> dict[str, Any]:
    if not at.get("BucketName") or not at.get("ObjectKey"):
        raise Validation("DataModelS3Configuration needs a BucketName and an ObjectKey.")
    place, key = _bucket(call, at["BucketName"]), at["ObjectKey"]
    try:
        with open_file(place, key) as stream:
            model = msgspec.json.decode(stream.read(REQUEST_MAX_BYTES))
    except (OSError, msgspec.DecodeError) as error:
        raise Validation(f"The data model s3://{at['BucketName']}/{key} cannot be read: {error}") from error
    for path, value, constraint in violations(DATA_MODEL, model, ("dataModel",)):
        raise Validation(f"The data model s3://{at['BucketName']}/{key}: value {value!r} at '{path}': {constraint}")
    return dict(model)


def _make_room(tasks: dict[str, BatchTask]) -> None:
    while len(tasks) >= TASKS_MAX:
        ended = next((task for task in tasks.values() if task.status in {FAILED, SUCCEEDED}), None)
        if ended is None:
            raise ServiceQuotaExceeded(f"The account has {len(tasks)} batch load tasks that have not ended.")
        del tasks[ended.id]


def _found(tasks: Mapping[str, BatchTask], task_id: str) -> BatchTask:
    task = tasks.get(task_id)
    if task is None:
        raise ResourceNotFound(f"The batch load task {task_id} does not exist.")
    return task


def _key(task: BatchTask) -> str:
    return f"{task.created_ns:020}{task.id}"


def _times(task: BatchTask) -> dict[str, object]:
    return {
        "TaskId": task.id,
        "TaskStatus": task.status,
        "CreationTime": task.created_ns / 1e9,
        "LastUpdatedTime": task.updated_ns / 1e9,
    }


def _entry(task: BatchTask) -> dict[str, object]:
    request = task.request
    return {**_times(task), "DatabaseName": request["TargetDatabaseName"], "TableName": request["TargetTableName"]}
