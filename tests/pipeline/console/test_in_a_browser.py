"""The console in Debian's Chromium over the whole product: one product, one browser, one visit after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from paho.mqtt.publish import single
from playwright.sync_api import Browser, expect

from pipeline.base.layout import Layout
from tests.support.chromium import DESK, PHONE, Visit, chromium
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

CONFIG = """
listener: {address: "127.0.0.1:0"}
http:
  address: "127.0.0.1:0"
  tokens: [{token: grower, account: default}, {token: looker, account: default, role: read}]
console: {address: "127.0.0.1:0"}
tables:
  - name: agriculture.readings
    topics: "greenhouse/{greenhouse}/{zone}/{sensor}"
    zone: "{greenhouse}/{zone}"
    measure_name: climate
    measures: {temperature: {unit: celsius}}
rules: ["rules.yaml"]
"""
RULES = """
groups:
  - name: climate
    table: agriculture.readings
    rules:
      - alert: TooHot
        measure: temperature
        range: {max: 32}
        labels: {severity: warning}
        annotations: {summary: "{zone_name}: {value} °C"}
"""
PATIENCE_MS = 30_000  # on a busy machine; what is live is there within two seconds on an idle one


ACKNOWLEDGE = "form[action$='/ack']"
SILENCE = "form[action$='/silence']"


class Greenhouse:
    """The product with a console, and a device of it."""

    def __init__(self, product: Product, browser: Browser) -> None:
        state = json.loads(Layout(product.data_dir).up_state.read_bytes())
        self.product = product
        self.browser = browser
        self.console = f"http://{state['console']}"
        self.api = httpx.Client(base_url=f"http://{state['http']}", headers={"authorization": "Bearer grower"})

    def publish(self, zone: str, **values: float) -> None:
        """A message of a sensor of the zone, acknowledged."""
        host, _, port = self.product.mqtt.rpartition(":")
        single(f"greenhouse/gh-1/{zone}/s-1", json.dumps(values), qos=1, hostname=host, port=int(port))

    def alert(self) -> str:
        """The id of an alert that fires."""
        self.publish("hot", temperature=41.5)
        return str(wait_for(lambda: self.api.get("/v1/alerts?status=firing").json()["alerts"], "an alert")[0]["id"])

    @contextmanager
    def visit(self, token: str = "grower", **options: Any) -> Iterator[Visit]:
        """Somebody signed in, at whose pages nothing is wrong that a browser or axe-core would say."""
        visit = Visit(self.browser, self.console, **options)
        page = visit.go("/")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Zones")).to_be_visible()
        yield visit
        assert visit.barriers() == []
        assert visit.complaints == []
        assert not visit.is_wider_than_the_screen()
        visit.close()


@pytest.fixture
def greenhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Greenhouse]:
    (tmp_path / "rules.yaml").write_text(RULES)
    monkeypatch.delenv("STREAMGAUGE_CONSOLE")
    with chromium() as browser, Product(tmp_path, CONFIG) as product:
        yield Greenhouse(product, browser)


def signs_in(at: Greenhouse) -> None:
    """With a token, at the address of the API, which leads to the console; a wrong one is refused in words."""
    visit = Visit(at.browser, str(at.api.base_url).rstrip("/"))
    page = visit.go("/")
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("http.tokens")
    assert visit.barriers() == []
    page.get_by_label("Token").fill("grower")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Overview")).to_have_attribute("aria-current", "page")
    assert page.url == at.console + "/"
    visit.close()


def sees_the_overview_move(at: Greenhouse) -> None:
    """A new zone appears and its value changes without anybody touching the page, within seconds."""
    with at.visit() as visit:
        at.publish("north", temperature=20)
        zone = visit.page.get_by_role("link", name="gh-1/north")
        expect(zone).to_contain_text("20 °C", timeout=PATIENCE_MS)
        at.publish("north", temperature=30)
        expect(zone).to_contain_text("30 °C", timeout=PATIENCE_MS)


def uses_a_phone_in_the_dark(at: Greenhouse) -> None:
    with at.visit(size=PHONE, color_scheme="dark") as visit:
        expect(visit.page.get_by_role("link", name="gh-1/north")).to_be_visible()
        background = "getComputedStyle(document.body).backgroundColor"
        assert visit.page.evaluate(background) == "rgb(20, 24, 27)"
        visit.page.get_by_role("button", name="light and dark").click()
        assert visit.page.evaluate(background) == "rgb(255, 255, 255)"


def acknowledges_and_silences(at: Greenhouse) -> None:
    alert_id = at.alert()
    with at.visit() as visit:
        page = visit.page
        page.get_by_role("link", name="climate/TooHot").click()
        form = page.locator(ACKNOWLEDGE)
        form.get_by_label("Your name").fill("Ada")
        form.get_by_label("What is done about it").fill("opening the vent")
        form.get_by_role("button").click()
        expect(page.locator("#acknowledged")).to_have_text(re.compile(r"Acknowledged by Ada: opening the vent"))
        assert visit.barriers() == []
        (found,) = [alert for alert in at.api.get("/v1/alerts").json()["alerts"] if alert["id"] == alert_id]
        assert found["acknowledged"]["by"] == "Ada"
        page.get_by_role("button", name="Take back").click()
        expect(page.locator("#acknowledged")).to_have_count(0)
        form = page.locator(SILENCE)
        form.get_by_label("Why").fill("the vent is being repaired")
        form.get_by_role("button").click()
        expect(page.locator("#silenced")).to_contain_text("the vent is being repaired")
        page.get_by_role("button", name="End it now").click()
        expect(page.locator("#silenced")).to_have_count(0)
        page.get_by_label("What it was").fill("somebody opened the door")
        page.get_by_role("button", name="False alert").click()
        expect(page.locator("#feedback")).to_contain_text("A false alert, said default: somebody opened the door")
    with at.visit("looker") as visit:
        visit.go(f"/alerts/{alert_id}")
        expect(visit.page.get_by_text("cannot acknowledge")).to_be_visible()
        assert visit.page.locator(ACKNOWLEDGE).count() == 0


def looks_at_a_zone(at: Greenhouse) -> None:
    """The chart is drawn, and its numbers are the API's."""
    with at.visit() as visit:
        page = visit.page
        page.get_by_role("link", name="gh-1/north").click()
        expect(page.locator("figure.chart canvas").first).to_be_visible()
        page.get_by_text("Numbers of temperature").click()
        asked = "/v1/zones/gh-1/north/averages?measure=temperature&from=1h&bin=auto&points=150"
        averages = [bin_["average"] for bin_ in at.api.get(asked).json()["averages"]]
        cells = page.locator("table[data-measure=temperature] td[data-value]")
        assert [float(cell.get_attribute("data-value") or "nan") for cell in cells.all()] == averages
        assert page.locator("figure.chart").first.get_attribute("data-points") == str(len(averages))
        page.get_by_role("link", name="Year").click()
        expect(page.locator("figure.chart canvas").first).to_be_visible()


def looks_at_one_value(at: Greenhouse) -> None:
    """One value alone stands within the hour that was asked for; what is open stays so when the charts come anew."""
    at.publish("new", temperature=20)
    with at.visit() as visit:
        page = visit.page
        page.get_by_role("link", name="gh-1/new").click()
        page.get_by_text("Numbers of temperature").click()
        minutes = "(() => { const {min, max} = [...charts.values()][0].scales.x; return (max - min) / 60; })()"
        assert page.evaluate(minutes) == 60
        page.evaluate("[...charts.values()][0].setScale('x', {min: Date.now() / 1000 - 600, max: Date.now() / 1000})")
        with page.expect_response(re.compile("/zone/charts")):
            page.evaluate("htmx.ajax('GET', document.querySelector('#charts').getAttribute('hx-get'), '#charts')")
        expect(page.locator("table[data-measure=temperature]")).to_be_visible()
        assert round(page.evaluate(minutes)) == 10


def is_told_when_a_page_is_not_live(at: Greenhouse) -> None:
    """After signing out in another tab, the page that is still open says so, and leads to signing in."""
    with at.visit() as visit:
        other = visit.context.new_page()
        other.goto(at.console)
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_label("Token")).to_be_visible()
        expect(visit.page.get_by_text("not live any more")).to_be_visible(timeout=PATIENCE_MS)
        visit.page.get_by_role("link", name="Load it again").click()
        expect(visit.page.get_by_label("Token")).to_be_visible()
    with at.visit() as visit:
        visit.page.get_by_role("button", name="Sign out").click()
        expect(visit.page.get_by_label("Token")).to_be_visible()


def asks_wrongly_on_a_phone(at: Greenhouse) -> None:
    """An error is underlined and selected in the editor; a word is completed by a tap."""
    with at.visit(size=PHONE) as visit:
        page = visit.go("/query")
        editor = page.get_by_label("SQL")
        editor.fill('SELECT tempersture FROM "agriculture"."readings"')
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("alert")).to_contain_text("did you mean 'temperature'")
        expect(page.locator("#result mark")).to_have_text("tempersture")
        expect(page.locator(".behind mark")).to_have_text("tempersture")
        assert page.evaluate("getSelection().toString()") == "tempersture"
        editor.press_sequentially("temp")
        page.get_by_role("option", name="temperature").click()
        expect(editor).to_have_value('SELECT temperature FROM "agriculture"."readings"')
        expect(page.locator(".behind mark")).to_have_count(0)


def asks_in_sql(at: Greenhouse) -> None:
    """A result as table and file; a statement that ran is offered again, and one that was saved by its name."""
    with at.visit() as visit:
        page = visit.go("/query")
        editor = page.get_by_label("SQL")
        editor.fill("")
        editor.press_sequentially("SELECT zone_n")
        editor.press("Tab")
        expect(editor).to_have_value("SELECT zone_name")
        editor.fill("SELECT 1")
        editor.press("Control+Enter")
        expect(page.get_by_role("region", name="Result")).to_contain_text("integer")
        editor.fill('SELECT zone_name, temperature FROM "agriculture"."readings"')
        page.get_by_role("button", name="Run").click()
        expect(page.locator("#rows")).to_contain_text("gh-1/north")
        expect(page.locator("#result")).to_contain_text("bytes scanned")
        page.get_by_text("Saved and earlier").click()
        page.get_by_label("Name", exact=True).fill("all temperatures")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="SELECT 1", exact=True).click()
        expect(editor).to_have_value("SELECT 1")
        page.reload()
        page.get_by_text("Saved and earlier").click()
        page.get_by_role("button", name="all temperatures", exact=True).click()
        expect(editor).to_have_value(re.compile("temperature"))
        page.get_by_role("button", name="Explain").click()
        expect(page.locator("#rows")).to_contain_text("rows_in_ram")
        with page.expect_download() as downloaded:
            page.get_by_role("button", name="CSV").click()
        assert "gh-1/north" in downloaded.value.path().read_text()


def previews_a_rule(at: Greenhouse) -> None:
    """What is wrong is said as one types, at its line; a preview counts and draws the alerts of the day."""
    for size in (PHONE, DESK):
        with at.visit(size=size) as visit:
            page = visit.go("/rules")
            editor = page.get_by_label("A rule file")
            editor.fill("groups:\n  - nmae: x\n")
            expect(page.locator("#checked")).to_contain_text("nmae")
            expect(page.locator(".behind mark").first).to_have_text("- nmae: x")
            editor.fill(RULES)
            expect(page.locator("#checked")).to_contain_text("1 rule: fine")
            page.get_by_role("button", name="Preview").click()
            preview = page.get_by_role("region", name="Preview", exact=True)
            expect(preview).to_contain_text("climate/TooHot", timeout=PATIENCE_MS)
            expect(preview.locator("figure.chart canvas")).to_be_visible()
    assert at.api.get("/v1/rules").json()["rules"][0]["rule"] == "climate/TooHot"  # what is in force is as it was


def looks_at_what_arrives(at: Greenhouse) -> None:
    """A payload that is tried is rejected with the reason; what arrives is shown live; a rejected one is replayed."""
    host, _, port = at.product.mqtt.rpartition(":")
    single("greenhouse/gh-1/north/s-1", "{broken", qos=1, hostname=host, port=int(port))
    wait_for(lambda: at.api.get("/v1/dead-letters").json()["dead_letters"], "a dead letter")
    with at.visit(size=PHONE) as visit:
        page = visit.go("/ingest")
        page.get_by_label("MQTT topic").fill("greenhouse/gh-1/north/s-1")
        page.get_by_label("Payload").fill('{"temperature": ')
        page.get_by_role("button", name="Try").click()
        expect(page.locator("#understood")).to_contain_text("invalid_json")
        at.publish("live", temperature=12.25)
        expect(page.get_by_role("region", name="Messages", exact=True)).to_contain_text("12.25", timeout=PATIENCE_MS)
        page.get_by_role("button", name="Replay").first.click()
        expect(page.get_by_role("region", name="Rejected messages")).to_contain_text("replayed")


def looks_around(at: Greenhouse) -> None:
    """A device is found, and no page has a barrier."""
    with at.visit() as visit:
        at.publish("north", temperature=21)
        page = visit.go("/devices?q=north")
        expect(page.get_by_role("region", name="Devices")).to_contain_text("sensor=s-1")
        assert visit.barriers() == []
        page.get_by_role("link", name="zone=north").first.click()
        expect(page.get_by_role("region", name="Messages")).to_contain_text("row agriculture.readings")
        assert visit.barriers() == []
        visit.go("/alerts?status=")
        assert visit.barriers() == []
        expect(visit.go("/system").get_by_role("region", name="Dimensions")).to_contain_text("north")


STEPS: tuple[Callable[[Greenhouse], None], ...] = (
    signs_in,
    sees_the_overview_move,
    uses_a_phone_in_the_dark,
    acknowledges_and_silences,
    looks_at_a_zone,
    looks_at_one_value,
    is_told_when_a_page_is_not_live,
    asks_wrongly_on_a_phone,
    asks_in_sql,
    previews_a_rule,
    looks_at_what_arrives,
    looks_around,
)


@pytest.mark.timeout(600)
def test_a_grower_at_the_console(greenhouse: Greenhouse) -> None:
    """One story, because a product and a browser are too much for each of its steps."""
    for step in STEPS:
        try:
            step(greenhouse)
        except BaseException as error:
            error.add_note(f"while a grower {step.__name__.replace('_', ' ')}")
            raise
