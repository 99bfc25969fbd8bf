"""Late records that are rejected because of their version are also reported where the table says."""

import json
from pathlib import Path
from typing import Any

import pytest
from timestream_service import ACCOUNT, NOW_NS, Service

from store.endpoint.arns import account_number

TABLE = {"DatabaseName": "db", "TableName": "t"}
HOUR_MS = 3_600_000
PLACE = {"S3Configuration": {"BucketName": "rejected", "ObjectKeyPrefix": "of/us", "EncryptionOption": "SSE_S3"}}


def record(hours_ago: int, value: int) -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": "host", "Value": "a"}],
        "MeasureName": "cpu",
        "MeasureValue": str(value),
        "Time": str(NOW_NS // 1_000_000 - hours_ago * HOUR_MS),
    }


@pytest.fixture
def reports(service: Service, tmp_path: Path) -> Path:
    """The folder of the bucket `rejected`."""
    service.buckets = {"rejected": tmp_path / "rejected"}
    return tmp_path / "rejected"


def reject(write: Any, place: dict[str, Any] | None = PLACE) -> list[dict[str, Any]]:
    """Write two records twice, the first of them late, with other values: what the response rejects."""
    properties = {"EnableMagneticStoreWrites": True, **({"MagneticStoreRejectedDataLocation": place} if place else {})}
    write.create_database(DatabaseName="db")
    write.create_table(**TABLE, MagneticStoreWriteProperties=properties)
    write.write_records(**TABLE, Records=[record(48, 1), record(1, 1)])
    with pytest.raises(write.exceptions.RejectedRecordsException) as caught:
        write.write_records(**TABLE, Records=[record(1, 2), record(48, 2)], CommonAttributes={"Version": 1})
    rejected: list[dict[str, Any]] = caught.value.response["RejectedRecords"]
    assert [entry["RecordIndex"] for entry in rejected] == [0, 1]
    return rejected


def test_a_report_has_the_late_record_and_why_it_was_rejected(write: Any, reports: Path) -> None:
    rejected = reject(write)

    (file,) = (path for path in reports.rglob("*") if path.is_file())
    assert str(file.parent.relative_to(reports)) == f"of/us/{account_number(ACCOUNT)}/db/t/2026-09-21"
    assert json.loads(file.read_bytes()) == {
        **TABLE,
        "CommonAttributes": {"Version": 1},
        "RejectedRecords": [{**rejected[1], "Record": record(48, 2)}],
    }


@pytest.mark.parametrize(
    "place", [None, {"S3Configuration": {"BucketName": "unknown"}}], ids=["no place", "an unknown bucket"]
)
def test_without_a_place_only_the_response_has_them(write: Any, reports: Path, place: dict[str, Any] | None) -> None:
    reject(write, place)

    assert not reports.exists()


def test_a_report_that_cannot_be_written_leaves_the_response(
    write: Any, reports: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reports.write_text("a file")

    reject(write)

    assert "a report of rejected records cannot be written to of/us/" in caplog.text
