"""Imports from `s3://` sources: the folder of an UNLOAD, named files, and what is not there."""

import gzip
import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_unload_round_trip import COLUMNS, put, random_table

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.mapping import FileMapping
from pipeline.operations.importing.parquet_files import ParquetReading
from pipeline.operations.importing.run import Import
from pipeline.operations.importing.source_files import Source, named_files
from pipeline.operations.importing.text_files import CsvForm, CsvReading
from pipeline.operations.importing.unload_folder import unload_source
from store.objects.objects import open_objects
from tests.support.import_service import ImportService, told
from tests.support.s3_server import S3Server

pytestmark = pytest.mark.processes


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket, which the environment reaches."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    name = f"import-{random.getrandbits(48):x}"
    s3.make_bucket(name)
    return f"s3://{name}"


def test_an_unload_in_a_bucket_comes_back(past: ImportService, bucket: str) -> None:
    """With its manifest; a file that was not copied is missed."""
    put(past, random_table(random.Random(5), 60), "db.t")
    folder = past.unload(f'SELECT {COLUMNS} FROM "db"."t"', "u", {"format": "'PARQUET'"})
    objects = open_objects(f"{bucket}/export", os.environ)
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    for path in paths:
        objects.put(path, (folder / path).read_bytes())

    journal, (compared,) = past.load(unload_source(f"{bucket}/export", CsvForm(), has_header=False), "copy.t")

    assert compared.is_equal
    assert told(journal)["new"] == told(journal)["rows"] > 0
    there, copied = (past.rows(f'SELECT {COLUMNS} FROM "{db}"."t" ORDER BY 4, 1, 2, 3') for db in ("db", "copy"))
    assert copied.equals(there)
    objects.delete(next(path for path in paths if path.endswith(".parquet")))
    with pytest.raises(ImportFailed, match="which its manifest lists"):
        unload_source(f"{bucket}/export", CsvForm(), has_header=False)


def test_files_of_a_bucket_are_named(past: ImportService, bucket: str) -> None:
    """One, or all below a prefix; how many rows there are is known if all of them say so."""
    objects = open_objects(f"{bucket}/in", os.environ)
    objects.put("a/one.csv.gz", gzip.compress(b"time,sensor,x\n2026-11-20T00:00:00Z,s,1\n"))
    objects.put("a/two.csv.gz", gzip.compress(b"time,sensor,x\n2026-11-20T00:00:01Z,s,2\n"))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"time": ["2026-11-20"] * 7, "sensor": ["s"] * 7, "x": [1.0] * 7}), sink)
    objects.put("b/one.parquet", sink.getvalue().to_pybytes())

    def csv(*urls: str) -> Source:
        return Source(named_files(urls), lambda file: CsvReading(file, CsvForm()))

    one, _ = past.load(csv(f"{bucket}/in/a/two.csv.gz"), "past.rows", "j1", measure_name="m")
    both, compared = past.load(csv(f"{bucket}/in/a"), "past.rows", "j2", measure_name="m")
    parquet = Source(named_files([f"{bucket}/in/b"]), ParquetReading)

    assert (told(one)["new"], told(both)["new"], told(both)["same"]) == (1, 1, 1)
    assert all(of.is_equal for of in compared)
    counts = [Import(of, FileMapping(), past.server, "past.rows").count() for of in (parquet, csv(f"{bucket}/in/a"))]
    assert counts == [7, None]
    for missing, said in (("in/a/no.csv", "there is no file"), ("in/c", "has no files")):
        with pytest.raises(ImportFailed, match=said):
            csv(f"{bucket}/{missing}")
