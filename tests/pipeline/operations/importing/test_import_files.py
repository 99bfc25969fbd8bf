"""CSV, JSON lines and line protocol, and an import that is broken off, as a user has them."""

import gzip
import io
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.api.http.slots import QuerySlots
from pipeline.base.errors import ImportFailed, OverQuota, ServerBusy, ServerRefused, ServerUnreachable
from pipeline.operations.cli.group import run
from pipeline.operations.importing import patience, source_files
from pipeline.operations.importing.comparison import ReadBack, compare
from pipeline.operations.importing.influx_files import InfluxReading
from pipeline.operations.importing.journal import SORTED, Journal, Outcomes
from pipeline.operations.importing.journal import rows_of as rows_of_journal
from pipeline.operations.importing.mapping import FileMapping, Measure, Time
from pipeline.operations.importing.parquet_files import ParquetReading
from pipeline.operations.importing.patience import Patience
from pipeline.operations.importing.run import Import
from pipeline.operations.importing.source_files import Source, named_files
from pipeline.operations.importing.text_files import CsvForm, CsvReading, JsonReading
from store.record import MeasureType
from tests.support.http_service import NOW_NS, NS
from tests.support.import_service import ImportService, Noted, told

CSV = (
    "ts,dev,temp,state,count,on\n"
    '{0},d-1,21,"ok, ""fine""",9007199254740993,true\n'
    '{1},d-1,,"",,false\n'
    '{2},"d\n2",-1e-3,x,,\n'
)
ALL = 'SELECT * FROM "past"."rows" ORDER BY time'
TS = [NOW_NS // 1_000_000 - 1000 + number for number in range(3)]


def rows_of(past: ImportService) -> list[dict[str, Any]]:
    return list(past.rows(ALL).drop_columns(["time"]).to_pylist())


def test_csv(past: ImportService) -> None:
    """An empty cell is nothing, two quotes are an empty text, and whole numbers are exact where they are wanted."""
    (past.folder / "a.csv.gz").write_bytes(gzip.compress(CSV.format(*TS).encode()))
    source = Source(named_files([str(past.folder / "a.csv.gz")]), lambda file: CsvReading(file, CsvForm()))

    journal, (compared,) = past.load(
        source,
        time=Time("ts", "ms"),
        measure_name="climate",
        dimensions=["dev"],
        measures={"temp": Measure("temperature"), "state": Measure(), "count": MeasureType.BIGINT},
    )

    assert told(journal) == {"rows": 3, "new": 3, "same": 0, "replaced": 0, "rejected": 0}
    assert compared.is_equal
    first, second, third = rows_of(past)
    assert (first["dev"], first["temperature"], first["state"], first["count"], first["on"]) == (
        *("d-1", 21.0, 'ok, "fine"', 9007199254740993, True),
    )
    assert (second["temperature"], second["state"], second["count"], second["on"]) == (None, "", None, False)
    assert (third["dev"], third["temperature"], third["on"]) == ("d\n2", -0.001, None)


def test_json_lines(past: ImportService) -> None:
    lines = [
        {"time": "2026-11-23T09:00:00.000000001Z", "dev": "ß", "x": 1, "when": "2026-01-01", "ok": True},
        {"time": "2026-11-23T09:00:00.000000002Z", "dev": "試", "x": 2.5, "when": "", "ok": None},
    ]
    (past.folder / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    source = Source(named_files([str(past.folder / "a.jsonl")]), JsonReading)

    journal, (compared,) = past.load(source, measure_name="m", dimensions=["dev"], measures=["when"])

    assert told(journal)["new"] == 2
    assert compared.is_equal
    assert [(row["dev"], row["x"], row["when"], row["ok"]) for row in rows_of(past)] == [
        *[("ß", 1.0, "2026-01-01", True), ("試", 2.5, "", None)],
    ]


def test_influx(past: ImportService) -> None:
    """Measurements with their own tags and fields, in one table."""
    at = NOW_NS // 1000 - 10
    text = f'climate,room=a\\ b temp=21.5,n=3i {at}\npower,room=c,phase=1 watts=7,note="x, y" {at + 1}\n'
    (past.folder / "a.lp.gz").write_bytes(gzip.compress(text.encode()))
    source = Source(named_files([str(past.folder / "a.lp.gz")]), lambda file: InfluxReading(file, "us"))

    journal, (compared,) = past.load(source)

    assert told(journal)["new"] == 2
    assert compared.is_equal
    first, second = rows_of(past)
    assert (first["measure_name"], first["room"], first["phase"], first["temp"], first["n"]) == (
        *("climate", "a b", None, 21.5, 3),
    )
    assert (second["measure_name"], second["phase"], second["watts"], second["note"]) == ("power", "1", 7.0, "x, y")


def test_a_field_has_one_type(past: ImportService) -> None:
    (past.folder / "a.lp").write_text('a,t=1 x=1 1\n\nb,t=1 x="one" 2\n')
    source = Source(named_files([str(past.folder / "a.lp")]), lambda file: InfluxReading(file, "ns"))

    with pytest.raises(ImportFailed, match=r"a\.lp: line 3: the field x is a varchar, and was a double before"):
        past.load(source)


def test_times_are_within_what_nanoseconds_can_say(past: ImportService) -> None:
    """Those of another unit usually are not."""
    (past.folder / "a.lp").write_text("a,t=1 x=1 1796000000000000001\n")
    (past.folder / "b.csv").write_text("time,sensor,x\n1796000000000,s,1\n")
    influx = Source(named_files([str(past.folder / "a.lp")]), lambda file: InfluxReading(file, "ms"))
    csv = Source(named_files([str(past.folder / "b.csv")]), lambda file: CsvReading(file, CsvForm()))

    with pytest.raises(ImportFailed, match=r"a\.lp: line 1: the time 1796000000000000001 is not within 1677 and 2262"):
        past.load(influx)
    with pytest.raises(ImportFailed, match=r"b\.csv: column time: times from 1796000000000 to 1796000000000 are not"):
        past.load(csv, time=Time("time", "s"), measure_name="m")


def test_a_column_that_is_there_twice_is_refused(past: ImportService) -> None:
    """Nobody could say which of them is meant."""
    (past.folder / "b.csv").write_text("time,sensor,x,x\n2026-11-30T00:00:00Z,s,1,2\n")
    table = pa.table([[1], [2]], names=["x", "x"])
    pq.write_table(table, past.folder / "b.parquet")
    csv = Source(named_files([str(past.folder / "b.csv")]), lambda file: CsvReading(file, CsvForm()))
    parquet = Source(named_files([str(past.folder / "b.parquet")]), ParquetReading)

    for source in (csv, parquet):
        with pytest.raises(ImportFailed, match=r"b\.\w+ has the column x more than once"):
            past.load(source, measure_name="m")


def csv_source(past: ImportService, rows: int) -> Source:
    lines = [f"{NOW_NS - 3600 * NS + number * 1000},s{number % 3},{number}" for number in range(rows)]
    (past.folder / "b.csv").write_text("time,sensor,x\n" + "\n".join(lines) + "\n")
    return Source(named_files([str(past.folder / "b.csv")]), lambda file: CsvReading(file, CsvForm()))


def test_an_import_goes_on_where_it_ended(past: ImportService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that are stored are not sent again; what was sent and not noted is the same."""
    monkeypatch.setattr(source_files, "CHUNK_ROWS", 10)
    source, send, sent = csv_source(past, 100), type(past.server).send, []

    def failing(*parts: Any, **options: Any) -> Any:
        sent.append(1)
        if len(sent) == 5:
            raise ServerRefused("broken off")
        return send(*parts, **options)

    mapping: dict[str, Any] = {"time": Time("time", "ns"), "measure_name": "m"}
    monkeypatch.setattr(type(past.server), "send", failing)
    with pytest.raises(ServerRefused, match="broken off"):
        past.load(source, **mapping)
    before = len(sent)
    stored = Journal(past.folder / "journal", [(file.path, file.size_bytes) for file in source.files])
    journal, (compared,) = past.load(source, **mapping)

    assert stored.is_continued
    assert 0 < stored.files[0].rows < 100
    assert told(journal)["rows"] == 100
    assert told(journal)["new"] + told(journal)["same"] == 100
    assert len(sent) - before == (100 - stored.files[0].rows) // 10
    assert (compared.rows, compared.found, compared.is_equal) == (100, 100, True)
    assert len(rows_of(past)) == 100


def test_an_import_that_goes_on_waits_for_the_server(past: ImportService, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be given again while the server is restarted; an import that begins says at once that none answers."""
    monkeypatch.setattr(source_files, "CHUNK_ROWS", 10)
    monkeypatch.setattr(patience, "AGAIN_AFTER_S", 0.001)
    source, get = csv_source(past, 20), type(past.server).get
    mapping = FileMapping(time=Time("time", "ns"), measure_name="m")
    files = [(file.path, file.size_bytes) for file in source.files]
    asked: list[str] = []
    told_of: list[str] = []

    def away(*parts: Any, **options: Any) -> Any:
        asked.append(parts[-1])
        if len(asked) <= 4:
            raise ServerUnreachable("no server answers")
        return get(*parts, **options)

    def load() -> Journal:
        journal = Journal(past.folder / "journal", files)
        work = Import(source, mapping, past.server, "past.rows", create=True, patience=Patience(30, told_of.append))
        work.send(journal, Noted())
        return journal

    monkeypatch.setattr(type(past.server), "get", away)
    with pytest.raises(ServerUnreachable):
        load()
    assert (len(asked), told_of) == (1, [])
    interrupted = Journal(past.folder / "journal", files)
    interrupted.note(0, 0, rows_of_journal(np.array([], np.int64), np.array([], np.uint64), 0), Outcomes())
    interrupted.save()
    journal = load()

    assert (len(asked) > 4, told_of) == (True, ["no server answers"])
    assert told(journal)["new"] == 10


def test_rows_that_are_missing_are_noticed(past: ImportService) -> None:
    """The comparison reads what the server has: another value, and a row that is not there, are seen."""
    source = csv_source(past, 20)
    mapping: dict[str, Any] = {"time": Time("time", "ns"), "measure_name": "m"}
    journal, _ = past.load(source, **mapping)
    (taken,) = journal.taken()
    assert len(taken) == 20
    damaged = taken.copy()
    damaged["hash"][3] ^= 1
    damaged.tofile(journal.folder / "0-0.rows")

    back = ReadBack(past.server, "past.rows", {"sensor": "dimension", "x": "measure"}, Patience(30))
    (found,) = compare(journal, back, Noted().compared)

    assert (found.rows, found.found, found.is_equal) == (20, 19, False)


def test_a_server_that_is_busy_for_longer_than_the_patience_is_not_waited_for(past: ImportService) -> None:
    """A quota of a day may begin anew hours later: the rows are stored, and nobody may read them back today."""
    asked = []

    def admit(_: str, active: int) -> None:
        asked.append(active)
        raise OverQuota("1 TiB scanned today", retry_after_s=7200)

    services = past.service.app.state.services
    past.service.app.state.services = replace(services, queries=QuerySlots(admit=admit))

    with pytest.raises(ServerBusy, match="1 TiB scanned today"):
        past.load(csv_source(past, 20), time=Time("time", "ns"), measure_name="m")

    assert len(asked) == 1


def test_the_command(past: ImportService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what a column becomes, what became of each file, which rows are rejected, and forgets the journal."""
    monkeypatch.setenv("XDG_STATE_HOME", str(past.folder / "state"))
    csv_source(past, 20)
    file = past.folder / "b.csv"
    url = str(past.http.base_url)
    options = [str(file), "--table", "past.rows", "--create", "--time-unit", "ns", "--measure-name", "m"]

    assert run(["--endpoint", url, "import", "csv", *options, "--dry-run"]) == 0
    assert "sensor\tdimension\tsensor\tvarchar" in capsys.readouterr().out
    assert run(["--endpoint", url, "import", "csv", *(of for of in options if of != "--create")]) != 0
    assert "there is no table past.rows on this server; with --create" in capsys.readouterr().err
    assert run(["--endpoint", url, "import", "csv", *options]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split("\t")[:4] == ["file", "rows", "new", "same"]
    assert line.split("\t")[:4] == ["b.csv", "20", "20", "0"]
    assert line.split("\t")[6] == line.split("\t")[7]
    assert not list((past.folder / "state").rglob("import.json"))

    file.write_text(file.read_text().replace(",s0,0\n", ",s0,7\n"))
    assert run(["--endpoint", url, "import", "csv", *options]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1].split("\t")[1:6] == ["20", "0", "19", "0", "1"]
    assert "b.csv: 1 rows rejected: A record already exists with the same time" in captured.err
    assert run(["--endpoint", url, "import", "csv", *options, "--record-version", "2", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["replaced"] == 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_shown_how_far_an_import_is(past: ImportService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Parquet it is known how many rows there are."""
    monkeypatch.setattr(source_files, "CHUNK_ROWS", 10)
    monkeypatch.setenv("XDG_STATE_HOME", str(past.folder / "state"))
    monkeypatch.setenv("COLUMNS", "150")
    times = pa.array([NOW_NS - NS + number for number in range(30)], pa.timestamp("ns"))
    pq.write_table(pa.table({"time": times, "sensor": ["s"] * 30, "x": [1.0] * 30}), past.folder / "c.parquet")
    options = [str(past.folder / "c.parquet"), "--table", "past.rows", "--create", "--measure-name", "m"]
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    assert run(["--endpoint", str(past.http.base_url), "import", "parquet", *options]) == 0

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"30 of 30 rows stored +[\d,]+ rows/s", shown)
    assert re.search(r"30 of 30 rows compared", shown)


def test_a_journal_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ImportFailed, match=r"the journal .*/file/journal cannot be written: Not a directory"):
        Journal(tmp_path / "file" / "journal", [("a", 1)])


def test_without_a_server_the_command_says_what_to_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("time,s,x\n1,a,2\n")
    options = [str(tmp_path / "a.csv"), "--table", "a.b", "--time-unit", "s", "--measure-name", "m"]

    assert run(["--endpoint", "http://127.0.0.1:9", "import", "csv", *options]) == 3
    assert "start one with `streamgauge up`" in capsys.readouterr().err


def test_rows_in_no_order_are_sorted(past: ImportService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is told of on its own, and an import that is broken off goes on within the sorted rows."""
    monkeypatch.setattr(source_files, "CHUNK_ROWS", 40)
    rng, day_ns = random.Random(1), 86_400 * NS
    order = list(range(150))
    rng.shuffle(order)
    for number in range(3):
        rows = [f"{NOW_NS - 60 * day_ns + at * day_ns // 3},s{at % 3},{at}" for at in order[number * 50 :][:50]]
        (past.folder / f"f{number}.csv").write_text("time,sensor,x\n" + "\n".join(rows) + "\n")
    names = [str(past.folder / f"f{number}.csv") for number in range(3)]
    source = Source(named_files(names), lambda file: CsvReading(file, CsvForm()))
    send, sent = type(past.server).send, []

    def failing(*parts: Any, **options: Any) -> Any:
        sent.append(1)
        if len(sent) == 3:
            raise ServerRefused("broken off")
        return send(*parts, **options)

    mapping: dict[str, Any] = {"time": Time("time", "ns"), "measure_name": "m"}
    monkeypatch.setattr(type(past.server), "send", failing)
    with pytest.raises(ServerRefused, match="broken off"):
        past.load(source, **mapping)
    journal, compared = past.load(source, **mapping)

    assert [of.rows for of in journal.files] == [50, 50, 50]
    assert [(of.rows, of.is_equal) for of in compared] == [(50, True)] * 3
    assert [of.new + of.same for of in journal.files] == [50, 50, 50]
    assert len(journal.stored(SORTED)) == 4
    assert [row["x"] for row in rows_of(past)] == [float(at) for at in range(150)]
