"""Reports of rejected late records, written where the table says: `MagneticStoreRejectedDataLocation`.

The service rejects a record that is older than the memory retention, and whose version is not higher than that of the
stored one, only in such a report. Here the response has it too, so a report that cannot be written is a line of the
log and nothing more.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from store.catalog.catalog import Said, TableInfo
from store.endpoint.admission import Rejection
from store.endpoint.arns import account_number
from store.endpoint.context import Context
from store.endpoint.payload import WriteRecord
from store.objects.location import S3Location
from store.objects.new_files import new_file, write_json
from store.values.durations import duration_ns
from store.values.times import rfc3339

log = logging.getLogger(__name__)

PLACE = "MagneticStoreRejectedDataLocation"


async def report_rejections(
    call: Context, info: TableInfo, records: Sequence[WriteRecord], rejected: Sequence[Rejection]
) -> None:
    """Write a report of the rejections that the service reports so, if the table names a bucket that there is."""
    where = _configured(info.said)
    place = call.buckets.get(where.get("BucketName", ""))
    edge_ns = call.now_ns - duration_ns(info.settings.memory_retention)
    late = [
        entry for entry in rejected if entry.existing_version is not None and records[entry.index].time_ns < edge_ns
    ]
    if place is None or not late or not info.settings.magnetic_writes:
        return
    path = _path(call, info, where.get("ObjectKeyPrefix", ""))
    report = _report(call, late)
    await call.runner.run(lambda: _write(place, path, report))


def _configured(said: Said) -> Mapping[str, Any]:
    """The S3Configuration of a table; empty if it has none."""
    found: Mapping[str, Any] = said.get(PLACE, {}).get("S3Configuration") or {}
    return {name: value for name, value in found.items() if value is not None}


def _path(call: Context, info: TableInfo, prefix: str) -> str:
    """`<prefix>/<account number>/<database>/<table>/<day>/<id>.json`."""
    day = rfc3339(call.now_ns)[:10]
    parts = [*prefix.split("/"), account_number(call.account), info.table.database, info.table.table, day]
    return "/".join([*(part for part in parts if part not in {"", ".", ".."}), f"{uuid.uuid4().hex}.json"])


def _report(call: Context, late: Sequence[Rejection]) -> dict[str, Any]:
    common = call.request.get("CommonAttributes")
    return {
        "DatabaseName": call.request["DatabaseName"],
        "TableName": call.request["TableName"],
        **({} if common is None else {"CommonAttributes": common}),
        "RejectedRecords": [
            {**entry.body(), "Record": call.request["Records"][entry.index]}
            for entry in sorted(late, key=lambda entry: entry.index)
        ],
    }


def _write(place: Path | S3Location, path: str, report: Mapping[str, Any]) -> None:
    try:
        write_json(new_file(place, path), report)
    except OSError as error:
        log.warning("a report of rejected records cannot be written to %s: %s", path, error)
