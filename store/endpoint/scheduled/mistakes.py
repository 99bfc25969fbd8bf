"""What of a result could not be stored, and the report of it, in the form of the service."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from store.endpoint.arns import account_number
from store.endpoint.scheduled_query import ScheduledQuery

LISTED_MAX = 1_000  # records of a report

_RECORD = {
    "Dimensions": "dimensions",
    "MeasureName": "measureName",
    "MeasureValue": "measureValue",
    "MeasureValues": "measureValues",
    "MeasureValueType": "measureValueType",
    "Time": "time",
    "TimeUnit": "timeUnit",
    "Version": "version",
}
_PART = {"Name": "name", "Value": "value", "DimensionValueType": "dimensionValueType"}
_VALUE = {"Name": "name", "Value": "value", "Type": "type"}


@dataclass(slots=True)
class Mistakes:
    """The records that were rejected, and the rows of which none could be made, by reason."""

    count: int = 0
    by_reason: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, reason: str, record: Mapping[str, Any] | None = None) -> None:
        """Note one."""
        self.count += 1
        if self.count <= LISTED_MAX:
            records = self.by_reason.setdefault(reason, [])
            records += [] if record is None else [_record(record)]

    @property
    def told(self) -> str:
        """All of them in a sentence; "" if there are none."""
        if not self.count:
            return ""
        return (
            f"{self.count} records or rows of the result could not be stored; the first: {next(iter(self.by_reason))}"
        )

    def report(self) -> dict[str, Any]:
        """The content of the report."""
        errors = [{"reason": reason, "records": records} for reason, records in self.by_reason.items()]
        return {"reportId": uuid.uuid4().hex.upper(), "errors": errors}


def report_path(prefix: str | None, account: str, query: ScheduledQuery, report_id: str, invocation_ns: int) -> str:
    """`<prefix>/<account number>/<id of the query>/<invocation in seconds>/<id>.json`."""
    parts = (*(prefix or "").split("/"), account_number(account), *query.id.split("/"))
    kept = [part for part in parts if part not in {"", ".", ".."}]
    return "/".join([*kept, str(invocation_ns // 1_000_000_000), f"{report_id}.json"])


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    found = _renamed(record, _RECORD)
    found["dimensions"] = [_renamed(of, _PART) for of in record["Dimensions"]]
    if found["measureValues"] is not None:
        found["measureValues"] = [_renamed(of, _VALUE) for of in record["MeasureValues"]]
    return found


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {new: values.get(name) for name, new in names.items()}
