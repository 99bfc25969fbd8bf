"""UNLOAD writes what the query returns, as the service does: files, metadata, and a manifest that names them."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from timestream_service import NOW_NS, Service

from store.objects.new_files import NewFile, new_file
from store.unload import writer
from store.unload.writer import PARTITIONS_MAX

TABLE = {"DatabaseName": "db", "TableName": "t"}
TEXTS = ["plain", "", 'a "quote"', "comma, and\nline", "back\\slash", "größe ✓"]


@pytest.fixture
def exports(service: Service, tmp_path: Path) -> Path:
    """The folder of the bucket `exports`."""
    folder = tmp_path / "exports"
    service.buckets = {"exports": folder}
    return folder


@pytest.fixture
def filled(write: Any) -> None:
    """Six rows, one for each text, of which the last has no region."""
    write.create_database(DatabaseName="db")
    write.create_table(**TABLE)
    write.write_records(**TABLE, Records=[record(number, text) for number, text in enumerate(TEXTS)])


def record(number: int, text: str) -> dict[str, Any]:
    region = [] if number == len(TEXTS) - 1 else [{"Name": "region", "Value": f"r/{number % 2}"}]
    values = [
        {"Name": "note", "Value": text or "-", "Type": "VARCHAR"},
        {"Name": "load", "Value": str(number / 8), "Type": "DOUBLE"},
        {"Name": "count", "Value": str(number), "Type": "BIGINT"},
        {"Name": "ok", "Value": "true", "Type": "BOOLEAN"},
    ]
    return {
        "Dimensions": [{"Name": "host", "Value": f"h{number}"}, *region],
        "MeasureName": "m",
        "MeasureValueType": "MULTI",
        "MeasureValues": values,
        "Time": str(NOW_NS - number),
        "TimeUnit": "NANOSECONDS",
    }


def unload(query: Any, select: str, to: str = "s3://exports/a/b", **options: str) -> dict[str, Any]:
    """The only row of the result, with its numbers as numbers."""
    said = ", ".join(f"{name} = {value}" for name, value in options.items())
    answer = query.query(QueryString=f"UNLOAD ({select}) TO '{to}'" + (f" WITH ({said})" if said else ""))
    assert [(column["Name"], column["Type"]["ScalarType"]) for column in answer["ColumnInfo"]] == [
        ("rows", "BIGINT"),
        ("metadataFile", "VARCHAR"),
        ("manifestFile", "VARCHAR"),
    ]
    ((rows, metadata, manifest),) = [[value["ScalarValue"] for value in row["Data"]] for row in answer["Rows"]]
    return {"rows": int(rows), "metadata": metadata, "manifest": manifest}


def at(exports: Path, url: str) -> Path:
    """The file that a URL names."""
    assert url.startswith("s3://exports/")
    return exports / url.removeprefix("s3://exports/")


def manifest_of(exports: Path, done: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(at(exports, done["manifest"]).read_bytes())
    return found


def files_of(exports: Path, done: dict[str, Any]) -> list[Path]:
    """The files of the result, which are all files that there are besides the two descriptions."""
    files = [at(exports, entry["url"]) for entry in manifest_of(exports, done)["result_files"]]
    described = {at(exports, done["metadata"]), at(exports, done["manifest"])}
    assert {path for path in exports.rglob("*") if path.is_file()} == {*files, *described}
    return files


def rows_of(text: str, delimiter: str = ",", escape: str = "\\") -> list[list[str]]:
    return list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, escapechar=escape, doublequote=False))


@pytest.mark.usefixtures("filled")
def test_the_defaults_are_csv_without_a_header_in_gzip(query: Any, exports: Path) -> None:
    done = unload(query, "SELECT host, note, time, load, count, ok, region FROM db.t ORDER BY count")

    (file,) = files_of(exports, done)
    rows = rows_of(gzip.decompress(file.read_bytes()).decode())
    assert done["rows"] == len(rows) == len(TEXTS)
    assert [row[1] for row in rows] == [text or "-" for text in TEXTS]
    assert rows[2] == ["h2", TEXTS[2], "2026-09-21 14:13:20.123456787", "0.25", "2", "true", "r/0"]
    assert rows[-1][-1] == ""
    assert file.suffix == ".gz"
    assert file.parent == exports / "a/b/results"


@pytest.mark.usefixtures("filled")
def test_the_manifest_and_the_metadata_have_the_services_form(query: Any, exports: Path) -> None:
    done = unload(query, "SELECT host, time FROM db.t")

    (file,) = files_of(exports, done)
    size = file.stat().st_size
    assert manifest_of(exports, done) == {
        "result_files": [
            {
                "url": f"s3://exports/a/b/results/{file.name}",
                "file_metadata": {"content_length_in_bytes": size, "row_count": 6},
            }
        ],
        "query_metadata": {
            "content_length_in_bytes": size,
            "total_row_count": 6,
            "result_format": "CSV",
            "result_version": "Amazon Timestream version 1.0.0",
        },
        "author": {"name": "Amazon Timestream", "manifest_file_version": "1.0"},
    }
    assert json.loads(at(exports, done["metadata"]).read_bytes()) == {
        "ColumnInfo": [
            {"Name": "host", "Type": {"ScalarType": "VARCHAR"}},
            {"Name": "time", "Type": {"ScalarType": "TIMESTAMP"}},
        ],
        "Author": {"Name": "Amazon Timestream", "MetadataFileVersion": "1.0"},
    }


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_parquet_has_types_and_is_exact(query: Any, exports: Path, compression: str) -> None:
    select = "SELECT host, time, load, count, ok, region, date(time) AS day, 5m AS step FROM db.t ORDER BY count"

    done = unload(query, select, format="'PARQUET'", compression=f"'{compression}'")

    (file,) = files_of(exports, done)
    table = pq.read_table(file)
    assert [str(kind) for kind in table.schema.types] == [
        *("string", "timestamp[ns]", "double", "int64", "bool", "string", "date32[day]", "string"),
    ]
    assert table["time"].cast("int64").to_pylist() == [NOW_NS - number for number in range(6)]
    assert table["region"].to_pylist()[4:] == ["r/0", None]
    assert table["step"].to_pylist()[0] == "0 00:05:00.000000000"
    assert file.suffix == ".parquet"


@pytest.mark.usefixtures("filled")
def test_partitions_are_folders_and_their_columns_are_not_in_the_files(query: Any, exports: Path) -> None:
    done = unload(
        query,
        "SELECT host, ok, region FROM db.t",
        partitioned_by="ARRAY['ok', 'region']",
        compression="'NONE'",
        include_header="'true'",
    )

    hosts = {
        str(file.parent.relative_to(exports / "a/b/results")): sorted(row[0] for row in rows_of(file.read_text()))
        for file in files_of(exports, done)
    }
    assert hosts == {
        "ok=true/region=r%2F0": ["h0", "h2", "h4", "host"],
        "ok=true/region=r%2F1": ["h1", "h3", "host"],
        "ok=true/region=__HIVE_DEFAULT_PARTITION__": ["h5", "host"],
    }


@pytest.mark.usefixtures("filled")
def test_a_delimiter_and_an_escape_of_ones_own(query: Any, exports: Path) -> None:
    done = unload(
        query, "SELECT 'a|b' AS x, 'it''s' AS y", compression="'NONE'", field_delimiter="'|'", escaped_by="''''"
    )

    (file,) = files_of(exports, done)
    assert file.read_text() == '"a|b"|"it\'\'s"\n'
    assert rows_of(file.read_text(), "|", "'") == [["a|b", "it's"]]


def test_a_text_that_is_empty_and_null_differ(query: Any, exports: Path) -> None:
    done = unload(query, "SELECT '' AS x, CAST(NULL AS varchar) AS y, 1 AS z", compression="'NONE'")

    (file,) = files_of(exports, done)
    assert file.read_text() == '"",,1\n'


@pytest.mark.usefixtures("filled")
def test_what_has_parts_is_json(query: Any, exports: Path) -> None:
    select = "SELECT ARRAY[1, NULL], ROW('a', 1.5), create_time_series(time, load) FROM db.t WHERE count = 1"

    done = unload(query, select, compression="'NONE'")

    (file,) = files_of(exports, done)
    ((array, row, series),) = rows_of(file.read_text())
    assert json.loads(array) == [1, None]
    assert json.loads(row) == ["a", 1.5]
    assert json.loads(series) == [{"time": "2026-09-21 14:13:20.123456788", "value": 0.125}]


def test_no_row_is_a_manifest_without_files(query: Any, exports: Path) -> None:
    done = unload(query, "SELECT 1 AS x WHERE false")

    assert done["rows"] == 0
    assert files_of(exports, done) == []


TOO_MANY = f"SELECT 1 AS x, n FROM UNNEST(sequence(0, {PARTITIONS_MAX})) AS u(n)"
OF_ONE = "UNLOAD (SELECT 1 AS a) TO 's3://exports'"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UNLOAD", "line 1:7: mismatched input '<EOF>'. Expecting: '(SELECT …)'"),
        ("UNLOAD (SELECT 1", "mismatched input '<EOF>'. Expecting: ')'"),
        ("UNLOAD (SHOW DATABASES) TO 's3://exports'", "mismatched input '('. Expecting: '(SELECT …)'"),
        ("UNLOAD (SELECT 1)", "mismatched input '<EOF>'. Expecting: 'TO'"),
        ("UNLOAD (SELECT 1) TO exports", "mismatched input 'exports'. Expecting: a text in single quotes"),
        (f"{OF_ONE} WITH (fromat = 'CSV')", "no option 'fromat' (did you mean 'format'?)"),
        (f"{OF_ONE} WITH (format = 'ORC')", "format of UNLOAD is 'ORC'; it can be CSV or"),
        (
            f"{OF_ONE} WITH (format = 'CSV', format = 'CSV')",
            "format of UNLOAD is there twice",
        ),
        (f"{OF_ONE} WITH (max_file_size = '15MB')", "it can be from 16MB to 78GB"),
        (f"{OF_ONE} WITH (field_delimiter = '\"')", "it is one ASCII character"),
        (
            f"{OF_ONE} WITH (encryption = 'SSE_KMS')",
            "encryption of UNLOAD is 'SSE_KMS', which",
        ),
        (f"{OF_ONE} WITH (kms_key = 'x')", "kms_key of UNLOAD is not offered"),
        (f"{OF_ONE} WITH (format = 'CSV') x", "mismatched input 'x'. Expecting: <EOF>"),
        ("UNLOAD (SELECT 1) TO 's3://other/x'", "The bucket other is not one of those"),
        ("UNLOAD (SELECT 1) TO 's3://exports/../x'", "'..' cannot be a part of it"),
        ("UNLOAD (SELECT 1) TO '/tmp/x'", "it has the form s3://bucket/prefix"),
        ("UNLOAD (SELECT nothing) TO 's3://exports'", "Column 'nothing' does not exist"),
        (
            "UNLOAD (SELECT 1 AS a, 2 AS b) TO 's3://exports' WITH (partitioned_by = ARRAY['a'])",
            "must be the last ones",
        ),
        (f"{OF_ONE} WITH (partitioned_by = ARRAY['a'])", "must be the last ones"),
        ("UNLOAD (SELECT current_time) TO 's3://exports'", "its type is time"),
        ("UNLOAD (SELECT NULL AS x) TO 's3://exports'", "UNLOAD cannot write the column x: its type is unknown"),
        ("UNLOAD (SELECT 1 AS a, 2 AS a) TO 's3://exports' WITH (format = 'PARQUET')", "need different names"),
        ("UNLOAD (SELECT 1 / n AS x FROM UNNEST(ARRAY[1, 0]) AS u(n)) TO 's3://exports'", "Division by zero"),
        (f"UNLOAD ({TOO_MANY}) TO 's3://exports' WITH (partitioned_by = ARRAY['n'])", "more than 100 partitions"),
    ],
)
def test_what_cannot_be_unloaded_is_refused_and_leaves_nothing(
    query: Any, exports: Path, statement: str, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        query.query(QueryString=statement)

    assert message in caught.value.response["Error"]["Message"]
    assert [path for path in exports.rglob("*") if path.is_file()] == []


def test_a_place_that_cannot_be_written_is_named(query: Any, exports: Path) -> None:
    exports.write_text("a file")

    with pytest.raises(ClientError, match=r"UNLOAD to s3://exports/a/b: .*exports"):
        unload(query, "SELECT 1 AS x")


@pytest.mark.usefixtures("filled")
def test_insights_tell_what_was_written(query: Any, exports: Path) -> None:
    answer = query.query(
        QueryString="UNLOAD (SELECT host, region FROM db.t) TO 's3://exports' WITH (partitioned_by = ARRAY['region'])",
        QueryInsights={"Mode": "ENABLED_WITH_RATE_CONTROL"},
    )

    insights = answer["QueryInsightsResponse"]
    written = [path.stat().st_size for path in exports.rglob("*.gz")]
    assert (insights["UnloadPartitionCount"], insights["UnloadWrittenRows"]) == (3, 6)
    assert insights["UnloadWrittenBytes"] == sum(written) > 0
    assert answer["QueryStatus"]["CumulativeBytesScanned"] > 0


@pytest.mark.usefixtures("filled")
def test_an_unload_is_prepared_without_writing(query: Any, exports: Path) -> None:
    text = "UNLOAD (SELECT host FROM db.t WHERE time > @since) TO 's3://exports'"

    answer = query.prepare_query(QueryString=text, ValidateOnly=True)

    assert [column["Name"] for column in answer["Columns"]] == ["rows", "metadataFile", "manifestFile"]
    assert answer["Parameters"] == [{"Name": "since", "Type": {"ScalarType": "TIMESTAMP"}}]
    assert not exports.exists()


def test_an_unload_whose_manifest_cannot_be_written_leaves_nothing(
    query: Any, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_manifest(location: Path, path: str) -> NewFile:
        if path.endswith("_manifest.json"):
            raise OSError("no space left")
        return new_file(location, path)

    monkeypatch.setattr(writer, "new_file", without_manifest)

    with pytest.raises(ClientError, match="UNLOAD to s3://exports/a/b: no space left"):
        unload(query, "SELECT 1 AS x")
    assert [path for path in exports.rglob("*") if path.is_file()] == []
