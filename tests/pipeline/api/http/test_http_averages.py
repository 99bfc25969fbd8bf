"""Zone averages over HTTP: what is answered, and what is refused."""

from dataclasses import replace
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.api.http.app import create_app
from tests.support.http_service import NOW_NS, NS, HttpService

MINUTE = 60 * NS


async def two_zones(service: HttpService) -> None:
    """North has 20 at -3 min and 30 at -1 min; south has 10 at -2 min."""
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - 3 * MINUTE, "temperature": 20, "co2": 400})
    await service.publish("greenhouse/eu/gh-1/north/s2", {"ts": NOW_NS - MINUTE, "temperature": 30})
    await service.publish("greenhouse/eu/gh-1/south/s3", {"ts": NOW_NS - 2 * MINUTE, "temperature": 10})


async def test_one_zone_is_answered_as_documented(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_zones(service)

    answer = await http.get("/v1/zones/gh-1/north/averages", params={"measure": "temperature", "from": "10m"})

    assert answer.status_code == 200
    assert answer.json() == {
        "zone": "gh-1/north",
        "measure": "temperature",
        "unit": "celsius",
        "bin": None,
        "averages": [{"time": "2026-11-23T09:50:00Z", "average": 25.0, "min": 20.0, "max": 30.0, "count": 2}],
    }


@pytest.mark.parametrize("path", ["gh-1/north", "gh-1%2Fnorth", "gh%2D1%2fnorth"])
async def test_a_zones_slashes_may_be_plain_or_escaped(
    service: HttpService, http: httpx.AsyncClient, path: str
) -> None:
    await two_zones(service)

    answer = await http.get(f"/v1/zones/{path}/averages?measure=temperature")

    assert answer.json()["zone"] == "gh-1/north"
    assert answer.json()["averages"][0]["count"] == 2


async def test_bins_start_at_whole_multiples_and_empty_ones_are_left_out(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await two_zones(service)

    answer = await http.get("/v1/zones/gh-1/north/averages?measure=temperature&from=10m&bin=1m")

    assert [(row["time"], row["average"]) for row in answer.json()["averages"]] == [
        ("2026-11-23T09:57:00Z", 20.0),
        ("2026-11-23T09:59:00Z", 30.0),
    ]
    assert answer.json()["bin"] == "1m"


async def test_the_range_holds_its_start_and_not_its_end(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_zones(service)

    answer = await http.get(
        "/v1/zones/gh-1/north/averages?measure=temperature&from=2026-11-23T09:57:00Z&to=2026-11-23T10:59:00%2B01:00"
    )

    assert [row["count"] for row in answer.json()["averages"]] == [1]


async def test_several_zones_and_measures_are_answered_in_the_order_asked(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await two_zones(service)

    answer = await http.get(
        "/v1/averages?zone=gh-1/south&zone=gh-1/north&measure=co2&measure=temperature&from=2026-11-23T09:00:00Z"
    )

    results = answer.json()["results"]
    assert [(found["zone"], found["measure"]) for found in results] == [
        ("gh-1/south", "co2"),
        ("gh-1/south", "temperature"),
        ("gh-1/north", "co2"),
        ("gh-1/north", "temperature"),
    ]
    assert [[row["average"] for row in found["averages"]] for found in results] == [[], [10.0], [400.0], [25.0]]


async def test_what_is_named_again_and_again_is_answered_once(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_zones(service)
    again = "&zone=gh-1/north&measure=temperature" * 300

    answer = await http.get(f"/v1/averages?from=1h&zone=gh-1/south{again}")

    assert [result["zone"] for result in answer.json()["results"]] == ["gh-1/south", "gh-1/north"]


async def test_a_zone_of_several_tables_needs_the_table_and_the_answer_lists_them(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await two_zones(service)
    await service.publish("water/gh-1/north/p1", {"ts": NOW_NS - MINUTE, "flow": 3})

    asked = "/v1/zones/gh-1/north/averages?measure=temperature"
    refused, answer = await http.get(asked), await http.get(f"{asked}&table=farm.climate")

    assert (refused.status_code, refused.json()["parameter"]) == (400, "table")
    assert "farm.climate, farm.water" in refused.json()["detail"]
    assert answer.json()["averages"][0]["count"] == 2


@pytest.mark.parametrize(
    ("query", "status", "parameter", "words"),
    [
        ("zone=gh-9&measure=temperature", 404, "zone", "no zone 'gh-9'; /v1/zones lists"),
        ("zone=gh-1/north&measure=temperature&table=farm.soil", 404, "zone", "in table farm.soil"),
        ("zone=gh-1/north&measure=temprature", 400, "measure", "temprature"),
        ("zone=gh-1/north&measure=state", 400, "measure", "state"),
        ("zone=gh-1/north&measure=temperature&from=yesterday", 400, "from", "from=yesterday is not possible"),
        ("zone=gh-1/north&measure=temperature&to=2026-11-23", 400, "to", "RFC 3339"),
        ("zone=gh-1/north&measure=temperature&bin=0s", 400, "bin", "bin=0s"),
        ("zone=gh-1/north&measure=temperature&bin=1y", 400, "bin", "one of ms s m h d w"),
        ("zone=gh-1/north&measure=temperature&from=1h&to=2h", 400, "from", "not before to=2026-11-23T08:00:00Z"),
        ("zone=gh-1/north&measure=temperature&from=200d&bin=1s", 400, "bin", "at most 100,000 bins"),
        ("measure=a&measure=b&measure=c&zone=z&from=1d&bin=1s", 400, "bin", "1 zones, 3 measures and 86,400 bins"),
        ("measure=a" + "".join(f"&zone=z{n}" for n in range(201)), 400, "zone", "at most 200 in a request"),
        ("zone=z" + "".join(f"&measure=m{n}" for n in range(201)), 400, "measure", "at most 200 in a request"),
        ("zone=gh-1/north", 400, "measure", "measure is missing"),
        ("measure=temperature", 400, "zone", "zone is missing"),
    ],
)
async def test_what_cannot_be_answered_names_the_parameter_and_what_is_allowed(
    service: HttpService, http: httpx.AsyncClient, query: str, status: int, parameter: str, words: str
) -> None:
    await two_zones(service)
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - MINUTE, "state": "on"})

    answer = await http.get(f"/v1/averages?{query}")

    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["parameter"]) == (status, status, parameter)
    assert words in problem["detail"]


async def test_only_the_credentials_account_is_seen(guarded: HttpService) -> None:
    """Two accounts have a zone of one name, and each sees its own rows."""
    for account, value in (("farm-7", 7), ("farm-8", 8)):
        body = {"ts": NOW_NS - MINUTE, "temperature": value}
        await guarded.publish("greenhouse/eu/gh-1/north/s1", body, account=account)
    seen = []
    for token in ("token-of-farm-7", "token-of-farm-8"):
        async with guarded.client(token) as http:
            answer = await http.get("/v1/zones/gh-1/north/averages?measure=temperature")
            seen += [(row["average"], row["count"]) for row in answer.json()["averages"]]

    assert seen == [(7.0, 1), (8.0, 1)]


async def test_days_begin_at_midnight_in_the_time_zone_that_is_asked_for(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - 11 * 3600 * NS, "temperature": 20.0})

    days = {}
    for tz in ("UTC", "Europe/Berlin"):
        query = {"measure": "temperature", "from": "2d", "bin": "1d", "tz": tz}
        answer = await http.get("/v1/zones/gh-1/north/averages", params=query)
        days[tz] = [row["time"] for row in answer.json()["averages"]]

    assert days == {"UTC": ["2026-11-22T00:00:00Z"], "Europe/Berlin": ["2026-11-22T23:00:00Z"]}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("bin=1d&tz=Europe/Berlinn", "did you mean Europe/Berlin?"),
        ("bin=1h&tz=Europe/Berlin", "bins of whole days and weeks"),
        ("tz=Europe/Berlin", "add bin="),
    ],
)
async def test_a_time_zone_that_means_nothing_here_is_refused(http: httpx.AsyncClient, query: str, words: str) -> None:
    answer = await http.get(f"/v1/zones/z/averages?measure=t&{query}")

    assert (answer.status_code, answer.json()["parameter"]) == (400, "tz")
    assert words in answer.json()["detail"]


async def test_bins_of_a_future_that_has_no_rows_do_not_count(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 20.0})

    query = {"measure": "temperature", "from": "1h", "to": "2030-01-01T00:00:00Z", "bin": "1m"}
    answer = await http.get("/v1/zones/gh-1/north/averages", params=query)

    assert len(answer.json()["averages"]) == 1


ONE = "/v1/zones/gh-1/north/averages?measure=temperature"


@pytest.mark.parametrize(
    ("query", "width"),
    [
        ("from=5m&bin=auto&points=300", "1s"),
        ("from=5m&bin=auto&points=299", "5s"),
        ("from=1h&bin=auto", "15s"),
        ("from=365d&bin=auto&points=60", "1w"),
        ("from=365d&bin=auto&points=1", "520w"),
    ],
)
async def test_auto_is_the_least_width_of_which_so_many_points_cover_the_time(
    service: HttpService, http: httpx.AsyncClient, query: str, width: str
) -> None:
    await two_zones(service)

    answer = (await http.get(f"{ONE}&{query}")).json()

    assert answer["bin"] == width
    assert sum(row["count"] for row in answer["averages"]) == 2


async def test_auto_bins_of_days_begin_at_midnight_where_it_is_asked_for(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await two_zones(service)

    days = (await http.get(f"{ONE}&from=60d&bin=auto&points=60&tz=Europe/Berlin")).json()
    hours = (await http.get(f"{ONE}&from=1d&bin=auto&points=24&tz=Europe/Berlin")).json()

    assert (days["bin"], days["averages"][0]["time"]) == ("1d", "2026-11-22T23:00:00Z")
    assert hours["bin"] == "1h"


async def test_percentiles_and_the_spread_over_sensors_are_beside_the_average(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await two_zones(service)

    (row,) = (await http.get(f"{ONE}&percentile=50&percentile=99.9&sensors=true")).json()["averages"]
    binned = (await http.get(f"{ONE}&bin=1m&percentile=50&sensors=true")).json()["averages"]

    assert row["percentiles"] == {"50": 25.0, "99.9": pytest.approx(29.99)}
    assert row["sensors"] == {"count": 2, "min": 20.0, "p10": 21.0, "p50": 25.0, "p90": 29.0, "max": 30.0}
    assert [(of["percentiles"], of["sensors"]["count"]) for of in binned] == [({"50": 20.0}, 1), ({"50": 30.0}, 1)]
    for query, told in (
        ("percentile=101", "a number from 0 to 100"),
        ("percentile=nan", "a number from 0 to 100"),
        ("percentile=x", "a number from 0 to 100"),
        ("percentile=1" + "&percentile=1" * 10, "at most 10"),
        ("points=5", "it is for bin=auto"),
        ("sensors=true&bin=1s&from=13d", "bin=1s"),
    ):
        refused = await http.get(f"{ONE}&{query}")
        assert (refused.status_code, told in refused.json()["detail"]) == (400, True), refused.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/html, */*", "application/json"),
        ("text/csv;q=x", "application/json"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ],
)
async def test_the_client_chooses_the_format(
    service: HttpService, http: httpx.AsyncClient, accept: str, kind: str
) -> None:
    await two_zones(service)
    query = "zone=gh-1/north&zone=gh-1/south&measure=temperature&percentile=50&sensors=true"

    answer = await http.get(f"/v1/averages?{query}", headers={"accept": accept})

    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["vary"] == "accept"
    if kind == "text/csv":
        head, north, south = answer.text.splitlines()
        assert head == (
            "zone,measure,unit,time,average,min,max,count,p50,sensors,"
            "sensors_min,sensors_p10,sensors_p50,sensors_p90,sensors_max"
        )
        assert (
            north
            == "gh-1/north,temperature,celsius,2026-11-23T09:00:00Z,25.0,20.0,30.0,2,25.0,2,20.0,21.0,25.0,29.0,30.0"
        )
        assert south.startswith("gh-1/south,temperature,celsius,2026-11-23T09:00:00Z,10.0")
    elif "json" not in kind:
        source = pa.BufferReader(answer.content)
        table = pa.ipc.open_stream(source).read_all() if "arrow" in kind else pq.read_table(source)
        assert table.column("average").to_pylist() == [25.0, 10.0]
        assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"


async def test_a_client_that_has_the_answer_already_is_told_so(service: HttpService, http: httpx.AsyncClient) -> None:
    await two_zones(service)
    first = await http.get(ONE)
    tag = first.headers["etag"]

    for known in (tag, f'"other", W/{tag}', "*"):
        same = await http.get(ONE, headers={"if-none-match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - MINUTE, "temperature": 50})
    changed = await http.get(ONE, headers={"if-none-match": tag})

    assert (changed.status_code, changed.json()["averages"][0]["max"]) == (200, 50.0)
    assert changed.headers["etag"] != tag
    assert "etag" not in (await http.get(f"{ONE}&bin=5")).headers
    assert "etag" not in (await http.get("/v1/live?follow=false")).headers


async def test_pages_of_configured_origins_may_ask_from_a_browser(service: HttpService) -> None:
    services = service.app.state.services
    app = create_app(replace(services, origins=("https://pages.example",)))
    transport = httpx.ASGITransport(app)
    asking = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    async with httpx.AsyncClient(transport=transport, base_url="http://streamgauge.test") as http:
        allowed, refused = [
            await http.options("/v1/zones", headers={"origin": origin, **asking})
            for origin in ("https://pages.example", "https://other.example")
        ]
        answer = await http.get("/v1/zones", headers={"origin": "https://pages.example"})

    assert (allowed.status_code, refused.status_code) == (200, 400)
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "https://pages.example"
    assert "etag" in answer.headers["access-control-expose-headers"]
    async with service.client() as http:
        without = await http.get("/v1/zones", headers={"origin": "https://pages.example"})
    assert "access-control-allow-origin" not in without.headers
