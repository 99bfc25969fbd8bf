"""DELETE over HTTP: counted, then confirmed; afterwards no way to ask has the rows any more."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.config.roles import Role
from pipeline.log.deleting import Delete, encode_delete
from pipeline.log.topics import READINGS
from tests.support.http_service import NOW_NS, NS, HttpService

MINUTE = 60 * NS
S1 = 'DELETE FROM "farm"."climate" WHERE sensor = \'s1\''


TOKENS = {"of-7": "farm-7", "of-8": "farm-8", "reads-7": "farm-7"}


@pytest.fixture
async def tokened(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, TOKENS, {"reads-7": Role.READ})
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


async def _publish(service: HttpService, account: str = "default") -> None:
    """Two sensors of a zone, ten minutes each, the second one cooler."""
    for sensor, celsius in (("s1", 30), ("s2", 20)):
        bodies = [{"ts": NOW_NS - n * MINUTE, "temperature": celsius} for n in range(1, 11)]
        await service.publish(f"greenhouse/eu/gh-1/north/{sensor}", *bodies, account=account)


async def _delete(http: httpx.AsyncClient, sql: str, **more: Any) -> dict[str, Any]:
    answer = await http.post("/v1/deletes", json={"sql": sql, **more})

    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _answers(http: httpx.AsyncClient) -> dict[str, Any]:
    """What each way to ask says."""
    averages = await http.get("/v1/zones/gh-1/north/averages?measure=temperature&from=1h&bin=1m")
    queries = {
        text: (await http.post("/v1/query", json={"sql": f"{text} FROM farm.climate"})).json()["rows"]
        for text in (
            "SELECT count(*)",
            "SELECT avg(temperature)",
            "SELECT max(time), min(time)",
            "SELECT DISTINCT sensor",
        )
    }
    lists = {name: (await http.get(f"/v1/{name}")).json() for name in ("zones", "devices", "tables")}
    latest = (await http.get("/v1/latest?measure=temperature")).json()
    return {"averages": averages.json(), "queries": queries, "lists": lists, "latest": latest}


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_rows_are_gone_from_all_answers_at_once(
    service: HttpService, http: httpx.AsyncClient, is_flushed: bool
) -> None:
    await _publish(service)
    if is_flushed:
        service.store.flush()
    before = await _answers(http)
    service.store.maintain()  # which rolls up what was asked
    await _answers(http)

    done = await _delete(http, S1, confirm=True)

    after = await _answers(http)
    assert (done["state"], done["rows"]) == ("done", 10)
    assert [of["average"] for of in before["averages"]["averages"]] == [25.0] * 10
    assert [(of["average"], of["count"]) for of in after["averages"]["averages"]] == [(20.0, 1)] * 10
    assert after["queries"]["SELECT count(*)"] == [[10]]
    assert after["queries"]["SELECT avg(temperature)"] == [[20.0]]
    assert after["queries"]["SELECT DISTINCT sensor"] == [["s2"]]
    assert [device["dimensions"]["sensor"] for device in after["lists"]["devices"]["devices"]] == ["s2"]
    assert [zone["sensors"] for zone in after["lists"]["zones"]["zones"]] == [1]
    assert {of["dimensions"]["sensor"] for of in after["latest"]["latest"]} == {"s2"}
    assert {of["dimensions"]["sensor"] for of in before["latest"]["latest"]} == {"s1", "s2"}


async def test_the_newest_rows_deleted_leave_the_newest_of_the_rest(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await _publish(service)
    await _answers(http)

    await _delete(http, "DELETE FROM farm.climate WHERE time > '2026-11-23 09:55:00'", confirm=True)

    after = await _answers(http)
    assert [zone["last_time"] for zone in after["lists"]["zones"]["zones"]] == ["2026-11-23T09:55:00Z"]
    assert {of["time"] for of in after["latest"]["latest"]} == {"2026-11-23T09:55:00Z"}
    assert after["queries"]["SELECT max(time), min(time)"] == [["2026-11-23T09:55:00Z", "2026-11-23T09:50:00Z"]]


async def test_without_confirmation_rows_are_counted_only(service: HttpService, http: httpx.AsyncClient) -> None:
    await _publish(service)

    counted = await _delete(http, S1, purge=True)

    assert counted == {
        "table": "farm.climate",
        "state": "counted",
        "rows": 10,
        "id": None,
        "purge": True,
        "detail": "nothing is deleted: send it again with confirm",
    }
    assert (await _answers(http))["queries"]["SELECT count(*)"] == [[20]]


async def test_what_comes_later_is_stored_also_with_old_times_and_versions(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await _publish(service)

    await _delete(http, S1, confirm=True)
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - 3 * MINUTE, "temperature": 30})

    found = await http.post("/v1/query", json={"sql": "SELECT time, temperature FROM farm.climate WHERE sensor = 's1'"})
    assert found.json()["rows"] == [["2026-11-23T09:57:00Z", 30.0]]
    assert (await _delete(http, S1))["rows"] == 1


async def test_the_id_says_how_far_it_is(service: HttpService, http: httpx.AsyncClient) -> None:
    await _publish(service)
    done = await _delete(http, S1, confirm=True)

    again, unknown = await http.get(f"/v1/deletes/{done['id']}"), await http.get("/v1/deletes/xyz")

    assert again.json() == done
    assert unknown.status_code == 404
    assert "there is no DELETE xyz" in unknown.json()["detail"]


async def test_a_purge_leaves_no_file_with_the_rows(service: HttpService, http: httpx.AsyncClient) -> None:
    await _publish(service)
    service.store.flush()
    folder = service.store.whole.readable
    assert folder is not None
    before = set(folder.rglob("*.parquet"))

    await _delete(http, S1, confirm=True, purge=True)

    left = set(folder.rglob("*.parquet"))
    assert before
    assert not before & left
    assert left
    assert all(b"s1" not in path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_other_accounts_keep_their_rows(tokened: HttpService) -> None:
    """A table of the same name in another account is another table."""
    await _publish(tokened, "farm-7")
    await _publish(tokened, "farm-8")
    async with tokened.client("of-7") as http:
        assert (await _delete(http, "DELETE FROM farm.climate WHERE true", confirm=True))["rows"] == 20
        assert (await _answers(http))["queries"]["SELECT count(*)"] == [[0]]
    async with tokened.client("of-8") as http:
        assert (await _answers(http))["queries"]["SELECT count(*)"] == [[20]]


async def test_only_admins_may_confirm(tokened: HttpService) -> None:
    await _publish(tokened, "farm-7")
    async with tokened.client("reads-7") as http:
        refused = await http.post("/v1/deletes", json={"sql": S1, "confirm": True})
        counted = await _delete(http, S1)

    assert refused.status_code == 403
    assert refused.json()["detail"] == "this token has the role read; deleting rows needs admin"
    assert counted["rows"] == 10


REFUSED = {
    "DELETE FROM farm.climate": "1:25: DELETE needs a WHERE; WHERE true chooses all rows",
    "DELETE FROM farm.climate WHERE temperature > 3": "1:32: 'temperature' is a measure: a DELETE chooses rows by time",
    "DELETE FROM farm.climate WHERE zone_name = 'x'": "1:32: 'zone_name' is the zone, which may change",
    "DELETE FROM farm.climate WHERE sensor IN (SELECT sensor FROM farm.water)": "a subquery cannot be in a DELETE",
    "DELETE FROM farm.climate WHERE rand() < 0.5": "1:32: rand cannot be in a DELETE",
    "DELETE FROM farm.nosuch WHERE true": "Requested table 'nosuch' not found",
    "DELETE FROM farm.climate WHERE sensr = 's1'": "1:32: Column 'sensr' does not exist (did you mean 'sensor'?)",
    "DELETE FROM farm.climate WHERE regexp_like(sensor, '(')": "Invalid regular expression: missing ): (",
    "DELETE FROM farm.climate WHERE " + "(" * 17 + "true" + ")" * 17: "1:48: nested deeper than 16 levels",
    "SELECT 1": "1:1: mismatched input 'SELECT'. Expecting: 'DELETE'",
}


async def test_what_cannot_be_deleted_is_refused_with_its_place(service: HttpService, http: httpx.AsyncClient) -> None:
    await _publish(service)

    refused = {sql: await http.post("/v1/deletes", json={"sql": sql, "confirm": True}) for sql in REFUSED}

    assert {sql: answer.status_code for sql, answer in refused.items()} == dict.fromkeys(REFUSED, 400)
    assert {sql: told for sql, told in REFUSED.items() if told not in refused[sql].json()["detail"]} == {}
    assert (await _answers(http))["queries"]["SELECT count(*)"] == [[20]]


async def test_a_condition_that_fails_on_the_data_deletes_nothing(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    """Where it fails only on rows that came after they were counted, all that waits for it goes on, too."""
    await _publish(service)
    sql = "DELETE FROM farm.climate WHERE CAST(substr(sensor, 2) AS bigint) = 1"
    counted = await _delete(http, sql)
    await service.publish("greenhouse/eu/gh-1/north/none", {"ts": NOW_NS - MINUTE, "temperature": 1})
    word = encode_delete(Delete("default", "farm", "climate", sql, NOW_NS, is_purge=False), NOW_NS)
    offset = await service.appender.append(READINGS, word)
    service.take_in()
    await service.publish("greenhouse/eu/gh-1/north/none", {"ts": NOW_NS - MINUTE, "temperature": 2})
    service.store.maintain()

    refused = await http.post("/v1/deletes", json={"sql": sql, "confirm": True})

    assert counted["rows"] == 10
    assert "Could not convert string 'one" in service.deletes[offset].result(0).fault
    assert refused.status_code == 400
    answers = await _answers(http)
    assert answers["queries"]["SELECT count(*)"] == [[21]]
    assert {of["value"] for of in answers["latest"]["latest"] if of["dimensions"]["sensor"] == "none"} == {2.0}


async def test_a_query_says_where_deletes_go(http: httpx.AsyncClient) -> None:
    refused = await http.post("/v1/query", json={"sql": S1})

    assert refused.status_code == 400
    assert "POST /v1/deletes" in refused.json()["detail"]
