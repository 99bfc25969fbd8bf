"""Health, readiness, metrics, the API page; and what is held back while the log is replayed."""

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

from pipeline.base import metrics
from pipeline.stream.progress import Progress
from tests.support.http_service import NOW_NS, NS, HttpService


async def test_supervisors_need_no_token(guarded: HttpService) -> None:
    async with guarded.client() as http:
        answers = {path: await http.get(path) for path in ("/healthz", "/readyz", "/docs", "/openapi.json")}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/healthz"].json() == {"status": "ok"}
    assert answers["/readyz"].json() == {"status": "ready", "lag_seconds": 0.0, "frames_behind": 0, "partitions": [0]}


async def test_metrics_which_name_accounts_and_tables_need_a_token_of_any_role(guarded: HttpService) -> None:
    async with guarded.client() as http:
        refused = [await http.get("/metrics", headers=headers) for headers in ({}, {"authorization": "Bearer wrong"})]
    async with guarded.client("token-of-farm-7") as http:
        answer = await http.get("/metrics")

    assert [answer.status_code for answer in refused] == [401, 401]
    assert answer.status_code == 200


async def test_metrics_are_prometheus_text(http: httpx.AsyncClient) -> None:
    metrics.records_applied.labels("new").inc()

    answer = await http.get("/metrics")

    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert "streamgauge_stream_lag_seconds" in names
    assert "streamgauge_store_records" in names


async def test_not_ready_says_how_far_behind(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 1})
    service.progress.next_offset = lambda: 4
    service.progress.first_arrival_ns = lambda _: NOW_NS
    service.clock.now_ns += 11 * NS

    answer = await http.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "catching up", "lag_seconds": 11.0, "frames_behind": 3, "partitions": [0]}


async def test_questions_wait_until_the_log_of_the_start_is_replayed(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    """A count asked meanwhile would be lower than before the crash; 503 and Retry-After make clients ask again."""
    service.progress.replay_to = 0
    held = [await http.get("/v1/zones"), await http.post("/", headers={"x-amz-target": "Timestream_20181101.Query"})]
    others = [await http.get(path) for path in ("/healthz", "/metrics", "/docs")]

    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 1})
    answered = await http.get("/v1/zones")

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in held] == [(503, "1"), (503, "1")]
    assert "1 frames to go" in held[0].json()["detail"]
    assert [answer.status_code for answer in others] == [200, 200, 200]
    assert answered.status_code == 200


def test_what_the_log_holds_at_the_start_is_what_is_replayed() -> None:
    upto = Progress(lambda: 3, lambda _: None, lambda: NOW_NS, applied_offset=1)
    before = upto.has_replayed
    upto.applied(2, NOW_NS)

    assert (before, upto.has_replayed) == (False, True)


async def test_the_api_page_needs_nothing_from_outside(http: httpx.AsyncClient) -> None:
    """Neither a content delivery network nor a web font: every address it names is its own."""
    page = (await http.get("/docs")).text
    sources = re.findall(r"(?:src|href)\s*=\s*\"([^\"]+)\"", page)

    assert re.findall(r"(?:https?:)?//[\w.]+", page) == []
    assert len(sources) >= 2
    for source in sources:
        assert (await http.get(source)).status_code == 200, source
