"""Every query of the dashboards, of the Timestream plugin and of its editor is answered, with data."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from deploy_files import DEPLOY
from grafana_plugin import View, frame, panels, selected

from pipeline.alerting.routing.plan import plan_for
from pipeline.log.topics import ALERTS
from tests.support.http_service import NOW_NS, NS, HttpService

beside_the_farm = pytest.mark.asyncio(loop_scope="module")  # in the loop of `filled`

GRAFANA = DEPLOY / "grafana"
MINUTE = 60 * NS
TO_MS = NOW_NS // 1_000_000 + 60_000
VIEW = View(
    TO_MS - 3_600_000,
    TO_MS,
    15_000,
    {"database": "farm", "table": "climate", "measure": "temperature", "zone": "gh-1/north"},
)
TIME_SERIES = 1  # the plugin's "Format as": rows by ascending time; 0 is a table, and what has time series in it
OF = {name: sorted((GRAFANA / "dashboards" / name).glob("*.json")) for name in ("timestream", "http")}


def board(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HttpService]:
    """A farm with readings, alerts and their history, and something that was rejected; all tests ask the same."""
    service = HttpService(tmp_path_factory.mktemp("farm"))
    async with service.app.router.lifespan_context(service.app):
        for minute in range(30):
            for zone in ("north", "south"):
                for sensor in range(3):
                    await service.publish(
                        f"greenhouse/eu/gh-1/{zone}/s{sensor}",
                        {"ts": NOW_NS - minute * MINUTE, "temperature": 20 + sensor, "co2": 400},
                    )
        await service.publish("elsewhere", {"x": 1})
        await service.publish("greenhouse/eu/gh-1/north/s0", {"ts": NOW_NS, "temperature": "?", "co2": 400})
        service.alert("a1")
        service.alert("a1", "resolved")
        service.clock.now_ns += 1  # two transitions of one series at one time would be one row
        service.alert("a2", labels={"severity": "critical"})
        await service.write_history()
        async with service.client() as http:
            silence = {"matchers": ["alertname=None"], "by": "Ada", "why": "new pipes"}
            assert (await http.post("/v1/silences", json=silence)).status_code == 200
        (message,) = service.admin.read(ALERTS, 0, 1)  # what the stage after it does
        partition = service.admin.partition_id(ALERTS)
        offset = service.alerts.next_offset(partition) or 0
        service.alerts.accept(partition, offset, json.loads(message.value), plan_for("growers"), now_ns=NOW_NS)
        yield service
    service.close()


async def asked(http: httpx.AsyncClient, operation: str, **request: Any) -> dict[str, Any]:
    """What the plugin's client gets for a request of Timestream's protocol."""
    headers = {"x-amz-target": f"Timestream_20181101.{operation}", "content-type": "application/x-amz-json-1.0"}
    answer = await http.post("/", content=json.dumps(request), headers=headers)
    assert answer.status_code == 200, f"{request}: {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


@beside_the_farm
@pytest.mark.parametrize("path", OF["timestream"], ids=lambda path: path.stem)
async def test_each_panel_over_timestream_has_data(filled: HttpService, path: Path) -> None:
    wrong = []
    async with filled.client() as http:
        for title, query in panels(board(path)):
            assert query["datasource"]["uid"] == "streamgauge-timestream"
            sql = VIEW.sql(query)
            assert "$" not in sql
            rows = frame(await asked(http, "Query", QueryString=sql))
            if not rows:
                wrong.append(f"{title}: no rows of {sql}")
            if query["format"] == TIME_SERIES:
                times = [row["time"] for row in rows]
                assert times == sorted(times), f"{title}: not by time"

    assert wrong == []


@beside_the_farm
@pytest.mark.parametrize("path", OF["http"], ids=lambda path: path.stem)
async def test_each_panel_over_http_has_data(filled: HttpService, path: Path) -> None:
    wrong = []
    async with filled.client() as http:
        for title, query in panels(board(path)):
            assert query["datasource"]["uid"] == "streamgauge-http"
            answer = await http.get(VIEW.filled(query["url"]), headers={"accept": "application/json"})
            assert answer.status_code == 200, f"{title}: {answer.text}"
            rows = selected(query, answer.json())
            if not rows:
                wrong.append(f"{title}: no rows of {query['url']}")

    assert wrong == []


@beside_the_farm
async def test_variables_offer_values(filled: HttpService) -> None:
    found: dict[str, list[Any]] = {}
    async with filled.client() as http:
        for path in (*OF["timestream"], *OF["http"]):
            for variable in board(path)["templating"]["list"]:
                if variable["type"] == "textbox":
                    continue
                query = variable["query"]
                if isinstance(query, str):
                    rows = frame(await asked(http, "Query", QueryString=VIEW.sql({"rawQuery": query})))
                else:
                    answer = await http.get(VIEW.filled(query["infinityQuery"]["url"]))
                    rows = selected(query["infinityQuery"], answer.json())
                found[f"{path.parent.name} {variable['name']}"] = [next(iter(row.values())) for row in rows]

    assert found == {
        "timestream database": ["farm", "streamgauge"],
        "timestream table": ["climate"],
        "timestream zone": ["gh-1/north", "gh-1/south"],
        "http zone": ["gh-1/north", "gh-1/south"],
    }


@beside_the_farm
async def test_what_the_plugin_asks_by_itself_is_answered_as_it_expects(filled: HttpService) -> None:
    """Saving the data source, and the pickers of its query editor."""
    async with filled.client() as http:
        (endpoint,) = (await asked(http, "DescribeEndpoints"))["Endpoints"]
        (health,) = (await asked(http, "Query", QueryString="SELECT 1"))["Rows"]
        databases = frame(await asked(http, "Query", QueryString="SHOW DATABASES"))
        tables = frame(await asked(http, "Query", QueryString='SHOW TABLES FROM "farm"'))
        measures = frame(await asked(http, "Query", QueryString='SHOW MEASURES FROM "farm"."climate"'))
        columns = frame(await asked(http, "Query", QueryString='DESCRIBE "farm"."climate"'))

    assert endpoint["CachePeriodInMinutes"] > 0
    assert health["Data"][0]["ScalarValue"] == "1"
    assert [next(iter(row.values())) for row in databases] == ["farm", "streamgauge"]
    assert [next(iter(row.values())) for row in tables] == ["climate"]
    name, kind, dimensions = measures[0].values()  # by position, as the plugin reads them
    assert (name, kind) == ("climate", "multi")
    assert [of["dimension_name"] for of in dimensions] == ["greenhouse", "region", "sensor", "zone", "zone_name"]
    assert {"temperature", "time", "sensor"} <= {row["Column"] for row in columns}


SAMPLES = """
SHOW DATABASES
SHOW TABLES FROM $__database
DESCRIBE $__database.$__table
SHOW MEASURES FROM $__database.$__table
SELECT * FROM $__database.$__table LIMIT 10

SELECT * FROM $__database.$__table WHERE $__timeFilter ORDER BY time ASC LIMIT 100

SELECT bin(time, $__interval_ms) AS binned_time, measure_name, avg(temperature) AS avg_value
FROM $__database.$__table WHERE $__timeFilter AND measure_name = '$__measure'
GROUP BY bin(time, $__interval_ms), measure_name ORDER BY binned_time ASC

SELECT bin(time, $__interval) AS binned_time, sensor, max(temperature) AS peak, avg(temperature) AS mean
FROM $__database.$__table WHERE $__timeFilter GROUP BY bin(time, $__interval), sensor ORDER BY binned_time ASC

SELECT sensor, measure_name, time, temperature AS value FROM $__database.$__table
WHERE time BETWEEN from_milliseconds($__timeFrom) AND from_milliseconds($__now_ms)
AND time <= from_milliseconds($__timeTo) ORDER BY time DESC LIMIT 10

SELECT $__interval_raw_ms AS width, count(*) AS n FROM $__database.$__table WHERE $__timeFilter

SELECT sensor, CREATE_TIME_SERIES(time, temperature) AS temperature FROM $__database.$__table
WHERE $__timeFilter AND zone_name IN ('gh-1/north','gh-1/south') AND zone = 'north'
GROUP BY sensor ORDER BY avg(temperature) DESC LIMIT 10
"""
"""The sample queries of the editor, one a line; then those of the plugin's documentation, for tables as ours."""

_FIRST, *_OTHERS = SAMPLES.strip().split("\n\n")


@beside_the_farm
@pytest.mark.parametrize("sql", [*_FIRST.splitlines(), *_OTHERS])
async def test_samples_and_macros_of_the_query_editor_are_answered(filled: HttpService, sql: str) -> None:
    """With the database and table as its pickers have them: quoted."""
    query = {"rawQuery": sql, "database": '"farm"', "table": '"climate"'}
    text = VIEW.sql(query, {"measure": "climate"})

    async with filled.client() as http:
        rows = frame(await asked(http, "Query", QueryString=text))

    assert "$" not in text
    assert rows


@beside_the_farm
async def test_pages_are_read_to_the_end_and_a_query_may_be_cancelled(filled: HttpService) -> None:
    """The plugin repeats the statement with each token; it cancels by the id of the first page."""
    sql = VIEW.sql(
        {"rawQuery": "SELECT time, sensor FROM farm.climate WHERE $__timeFilter ORDER BY time, zone, sensor"}
    )
    async with filled.client() as http:
        page = await asked(http, "Query", QueryString=sql, MaxRows=100)
        rows = frame(page)
        while "NextToken" in page:
            page = await asked(http, "Query", QueryString=sql, MaxRows=100, NextToken=page["NextToken"])
            rows += frame(page)
        cancelled = await asked(http, "CancelQuery", QueryId=page["QueryId"])

    assert len(rows) == 30 * 2 * 3 + 1
    assert isinstance(cancelled["CancellationMessage"], str)


def test_what_is_provisioned_is_what_the_dashboards_ask() -> None:
    """Data sources by their uid, each dashboard once, each panel with a place of its own."""
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/streamgauge.yaml").read_text())["datasources"]
    kinds = {of["uid"]: of["type"] for of in provisioned}
    boards = [board(path) for paths in OF.values() for path in paths]

    assert len({of["uid"] for of in boards}) == len(boards) == 8
    for of in boards:
        ids = [panel["id"] for panel in of["panels"]]
        assert len(set(ids)) == len(ids)
        places = {
            (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
            for panel in of["panels"]
            for x in range(panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["h"])
        }
        assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in of["panels"])
        for _, query in panels(of):
            assert kinds[query["datasource"]["uid"]] == query["datasource"]["type"]
