"""What UNLOAD writes comes back by an import, to the bit and the nanosecond."""

import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.source_files import Source
from pipeline.operations.importing.text_files import CsvForm
from pipeline.operations.importing.unload_folder import unload_source
from tests.support.examples import times
from tests.support.http_service import NOW_NS, NS
from tests.support.import_service import ImportService, told

KIND = {"streamgauge.kind": "measure"}
TEXTS = ["plain", "", 'a "quote"', "comma, and\nline\r\n", "back\\slash", "größe ✓ 試", "NULL", "1", None]
MULTI = ("celsius", "count", "is_on", "note", "since")
COLUMNS = "sensor, site, measure_name, time, " + ", ".join(MULTI)
SINGLE = "sensor, site, measure_name, time, measure_value::double, measure_value::varchar"


def random_table(rng: random.Random, rows: int) -> pa.Table:
    """Rows of every type, with nanosecond neighbours, absent values and texts of every kind; each has a value."""

    def some(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array([rng.choice(values) for _ in range(rows)], kind)

    doubles = [None, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, -1 / 3, rng.uniform(-1e9, 1e9)]
    whole = [None, 0, -(2**63), 2**63 - 1, rng.randrange(-(2**53), 2**53)]
    begin = NOW_NS - 3 * 86_400 * NS + rng.randrange(NS)
    return pa.table(
        {
            "sensor": some(["s-1", "ß/試=1", "a b%2F", 'q"q'], pa.string()),
            "site": some(["north", "süd", None], pa.string()),
            "measure_name": some(["climate", "state ✓"], pa.string()),
            "time": pa.array([begin + number * rng.choice([1, 999_999_937]) for number in range(rows)], pa.int64()),
            "celsius": some(doubles, pa.float64()),
            "count": some(whole, pa.int64()),
            "is_on": some([True, False], pa.bool_()),
            "note": some(TEXTS, pa.string()),
            "since": some([None, 0, 1, rng.randrange(2**62)], pa.timestamp("ns")),
        }
    )


def put(past: ImportService, table: pa.Table, name: str) -> None:
    """Store a table under this name; text after `time` is a measure."""
    for at, field in enumerate(table.schema):
        if at > table.column_names.index("time"):
            table = table.set_column(at, field.with_metadata(KIND), table.column(at))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    kind = {"content-type": "application/vnd.apache.arrow.stream"}
    answer = past.http.post(f"/v1/import?table={name}&create=true", content=sink.getvalue().to_pybytes(), headers=kind)
    assert answer.json()["rejected"] == [], answer.text


def random_options(rng: random.Random) -> dict[str, str]:
    options = {"format": rng.choice(["'CSV'", "'PARQUET'"]), "compression": rng.choice(["'GZIP'", "'NONE'"])}
    if options["format"] == "'CSV'":
        options["include_header"] = rng.choice(["'true'", "'false'"])
        options["field_delimiter"] = rng.choice(["','", "'|'", "'\t'"])
    return options


def source_of(folder: Path, options: dict[str, str]) -> Source:
    delimiter = options.get("field_delimiter", "','").strip("'") or "\t"
    return unload_source(str(folder), CsvForm(delimiter, "\\"), has_header=options.get("include_header") == "'true'")


def test_random_tables_come_back(past: ImportService) -> None:
    """With any options, into a new table and again into the same; both tables have the same rows then."""
    for number in range(times(3)):
        rng = random.Random(number)
        table, options = random_table(rng, rng.choice([50, 90])), random_options(rng)
        select = f'SELECT {COLUMNS} FROM "db"."t{number}"'
        if rng.random() < 0.5:
            order = ["sensor", "measure_name", "time", *MULTI, "site"]
            select, options = f'SELECT {", ".join(order)} FROM "db"."t{number}"', {
                **options, "partitioned_by": "ARRAY['site']"
            }  # fmt: skip
        put(past, table, f"db.t{number}")
        folder = past.unload(select, f"u{number}", options)

        journal, compared = past.load(source_of(folder, options), f"copy.t{number}", f"j{number}", dimensions=["site"])
        again, _ = past.load(source_of(folder, options), f"copy.t{number}", f"again{number}", dimensions=["site"])

        distinct = {
            tuple(row)
            for row in zip(
                *(table[name].to_pylist() for name in ("sensor", "site", "measure_name", "time")), strict=True
            )
        }
        assert told(journal) == {"rows": len(distinct), "new": len(distinct), "same": 0, "replaced": 0, "rejected": 0}
        assert told(again) == {**told(journal), "new": 0, "same": len(distinct)}
        assert all(of.is_equal for of in compared)
        order_by = "ORDER BY time, sensor, site, measure_name"
        there, copied = (past.rows(f'SELECT {COLUMNS} FROM "{db}"."t{number}" {order_by}') for db in ("db", "copy"))
        assert copied.equals(there), options


def test_single_measures_come_back(past: ImportService) -> None:
    table = pa.table(
        {
            "sensor": ["a", "b", "a"],
            "site": ["n", None, "n"],
            "measure_name": ["celsius", "celsius", "state"],
            "time": [NOW_NS - NS, NOW_NS - NS, NOW_NS - NS + 1],
            "measure_value::double": [1.5, -2.5, None],
            "measure_value::varchar": [None, None, "on"],
        }
    )
    put(past, table, "db.single")
    for options in ({"format": "'PARQUET'"}, {"format": "'CSV'"}):
        folder = past.unload(f'SELECT {SINGLE} FROM "db"."single"', options["format"].strip("'"), options)

        journal, (compared,) = past.load(source_of(folder, options), "copy.single", options["format"])

        assert told(journal)["rows"] == 3
        assert compared.is_equal
    there, copied = (past.rows(f'SELECT {SINGLE} FROM "{db}"."single" ORDER BY time, sensor') for db in ("db", "copy"))
    assert copied.equals(there)


def test_what_a_manifest_lists_must_be_there(past: ImportService) -> None:
    put(past, random_table(random.Random(1), 20), "db.t")
    folder = past.unload(f'SELECT {COLUMNS} FROM "db"."t"', "u", {"format": "'PARQUET'"})
    (file,) = folder.glob("results/*.parquet")
    stray = file.with_name("left-by-another.parquet")
    shutil.copy(file, stray)

    assert [of.path for of in unload_source(str(folder), CsvForm(), has_header=False).files] == [f"results/{file.name}"]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ImportFailed, match=r"its manifest says .* not copied completely"):
        unload_source(str(folder), CsvForm(), has_header=False)
    file.unlink()
    with pytest.raises(ImportFailed, match=rf"no file {file.name}, which its manifest lists"):
        unload_source(str(folder), CsvForm(), has_header=False)


def test_csv_without_a_header_needs_its_metadata(past: ImportService) -> None:
    put(past, random_table(random.Random(1), 20), "db.t")
    folder = past.unload(f'SELECT {COLUMNS} FROM "db"."t"', "u", {"format": "'CSV'"})
    for path in folder.glob("*_metadata.json"):
        path.unlink()
    source = unload_source(str(folder), CsvForm(",", "\\"), has_header=False)

    with pytest.raises(ImportFailed, match="has no header, and the folder has no metadata JSON"):
        source.reading(source.files[0])


def test_parquet_of_any_compression_is_read(past: ImportService) -> None:
    """As Timestream, Spark and others write it: also with times of 96 bits."""
    table = random_table(random.Random(3), 30)
    table = table.set_column(3, "time", table["time"].cast(pa.timestamp("ns")))
    for compression in ("snappy", "gzip", "none", "zstd"):
        folder = past.folder / compression
        folder.mkdir()
        int96 = {"use_deprecated_int96_timestamps": True} if compression == "gzip" else {}
        pq.write_table(table, folder / "part-0.parquet", compression=compression, **int96)  # type: ignore[arg-type]

        journal, (compared,) = past.load(
            unload_source(str(folder), CsvForm(), has_header=False), "copy.any", f"j-{compression}"
        )

        assert compared.is_equal
        assert told(journal)["rows"] == 30
        assert told(journal)["rejected"] == 0
