"""SQL over HTTP, in each format."""

import csv
import io

import httpx
import pyarrow as pa
import pytest

from store.processes.limits import QueryLimits
from tests.support.http_service import NOW_NS, NS, HttpService

SQL = 'SELECT sensor, time, temperature, ok, note FROM "farm"."climate" ORDER BY time'


async def two_rows(service: HttpService) -> None:
    await service.publish(
        "greenhouse/eu/gh-1/north/s1",
        {"ts": NOW_NS + 5, "temperature": 20.5, "ok": True, "note": 'a "b", ö\n'},
        {"ts": NOW_NS + NS},
        {"ts": NOW_NS + 2 * NS, "ok": False},
    )


async def test_json_has_columns_with_types_and_rows(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_rows(service)

    answer = await http.post("/v1/query", json={"sql": SQL})

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "columns": [
            {"name": "sensor", "type": "varchar"},
            {"name": "time", "type": "timestamp"},
            {"name": "temperature", "type": "double"},
            {"name": "ok", "type": "boolean"},
            {"name": "note", "type": "varchar"},
        ],
        "rows": [
            ["s1", "2026-11-23T10:00:00.000000005Z", 20.5, True, 'a "b", ö\n'],
            ["s1", "2026-11-23T10:00:02Z", None, False, None],
        ],
        "truncated": False,
    }


async def test_csv_reads_back(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_rows(service)

    answer = await http.post("/v1/query", json={"sql": SQL, "format": "csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["sensor", "time", "temperature", "ok", "note"],
        ["s1", "2026-11-23T10:00:00.000000005Z", "20.5", "true", 'a "b", ö\n'],
        ["s1", "2026-11-23T10:00:02Z", "", "false", ""],
    ]


async def test_arrow_keeps_types_and_nanoseconds(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_rows(service)

    answer = await http.post("/v1/query", json={"sql": SQL, "format": "arrow"})

    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.schema.field("time").type == pa.timestamp("ns", tz="UTC")
    assert table["time"].cast(pa.int64()).to_pylist() == [NOW_NS + 5, NOW_NS + 2 * NS]
    assert table["temperature"].to_pylist() == [20.5, None]


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
async def test_every_type_of_result_has_a_form_in_every_format(
    service: HttpService, http: httpx.AsyncClient, form: str
) -> None:
    """Infinities, dates, intervals, arrays and an empty result, too."""
    sql = (
        "SELECT 1e308 * 10 AS i, nan() AS n, current_date AS d, 5m AS span, 1y AS years, "
        "cast(null as bigint) AS b, TIMESTAMP '2026-11-23 10:00:00' AS t WHERE {}"
    )

    one = await http.post("/v1/query", json={"sql": sql.format("1 = 1"), "format": form})
    none = await http.post("/v1/query", json={"sql": sql.format("1 = 0"), "format": form})

    assert (one.status_code, none.status_code) == (200, 200), one.text


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", "line 1"),
        ('SELECT temprature FROM "farm"."climate"', "temprature"),
        ('SELECT * FROM "farm"."climat"', "climat"),
        ("DROP TABLE x", "DROP"),
        ("", "expecting: 'SELECT'"),
    ],
)
async def test_bad_sql_says_what_and_where(service: HttpService, http: httpx.AsyncClient, sql: str, words: str) -> None:
    await two_rows(service)

    answer = await http.post("/v1/query", json={"sql": sql})

    assert (answer.status_code, answer.json()["parameter"]) == (400, "sql")
    assert words.lower() in answer.json()["detail"].lower()


@pytest.mark.parametrize(
    ("body", "parameter", "words"),
    [
        ({"sql": "SELECT 1", "format": "xml"}, "format", "json, csv, arrow"),
        ({"format": "json"}, "sql", "sql is missing"),
        ({"sql": 5}, "sql", "5"),
        ({"sql": "SELECT 1", "limit": 3}, "limit", "limit"),
        (["SELECT 1"], "body", "object"),
    ],
)
async def test_a_body_that_is_not_a_query_names_what_is_wrong(
    http: httpx.AsyncClient, body: object, parameter: str, words: str
) -> None:
    answer = await http.post("/v1/query", json=body)

    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)
    assert words in answer.json()["detail"]


async def test_an_answer_says_how_much_was_read(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s-1", {"ts": service.clock(), "temperature": 20.0})

    answers = [
        await http.post("/v1/query", json={"sql": f"SELECT {what}"}) for what in ('* FROM "farm"."climate"', "1")
    ]

    assert int(answers[0].headers["streamgauge-scanned-bytes"]) > 0
    assert answers[1].headers.get("streamgauge-scanned-bytes", "0") == "0"


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
async def test_an_answer_that_was_cut_says_to_how_many_rows_in_every_format(
    service: HttpService, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(service.executor, "limits", QueryLimits(result_rows=2))

    cut = await http.post("/v1/query", json={"sql": "SELECT * FROM (VALUES 1, 2, 3) AS t(a)", "format": form})
    whole = await http.post("/v1/query", json={"sql": "SELECT * FROM (VALUES 1, 2) AS t(a)", "format": form})

    assert cut.headers["streamgauge-truncated"] == "2"
    assert "streamgauge-truncated" not in whole.headers
