"""What is asked is counted, with few labels however much is asked."""

from __future__ import annotations

import httpx
from prometheus_client import REGISTRY

from tests.support.http_service import HttpService


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_requests_are_counted_by_the_routes_template_and_not_by_its_path(http: httpx.AsyncClient) -> None:
    labels = {"method": "GET", "route": "/v1/zones/{zone:path}/averages", "status": "404"}
    before = value("streamgauge_http_requests_total", **labels)

    for zone in ("gh-1/north", "gh-1%2Fsouth", "nowhere"):
        await http.get(f"/v1/zones/{zone}/averages", params={"measure": "temperature"})

    assert value("streamgauge_http_requests_total", **labels) == before + 3
    paths = {s.labels["route"] for m in REGISTRY.collect() for s in m.samples if "route" in s.labels}
    assert not [path for path in paths if "gh-1" in path]


async def test_what_no_route_takes_is_one_label(http: httpx.AsyncClient) -> None:
    labels = {"method": "other", "route": "none", "status": "404"}
    before = value("streamgauge_http_requests_total", **labels)

    await http.request("BREW", "/pot/1")
    await http.request("BREW", "/pot/2")

    assert value("streamgauge_http_requests_total", **labels) == before + 2


async def test_a_query_that_is_not_possible_is_counted_with_its_reason(http: httpx.AsyncClient) -> None:
    before = value("streamgauge_http_query_failures_total", reason="refused")
    took = value("streamgauge_http_query_seconds_count", kind="query")

    await http.post("/v1/query", json={"sql": "SELECT nope FROM nowhere.nothing"})

    assert value("streamgauge_http_query_failures_total", reason="refused") == before + 1
    assert value("streamgauge_http_query_seconds_count", kind="query") == took + 1
    assert value("streamgauge_http_queries", kind="query", state="running") == 0


async def test_an_operation_nobody_knows_is_one_label(service: HttpService, http: httpx.AsyncClient) -> None:
    before = value("streamgauge_timestream_requests_total", operation="other", outcome="refused")

    await http.post("/", headers={"x-amz-target": "Timestream_20181101.Brew"}, content=b"{}")

    assert value("streamgauge_timestream_requests_total", operation="other", outcome="refused") == before + 1
