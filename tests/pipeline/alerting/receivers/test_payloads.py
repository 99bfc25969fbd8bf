"""What receivers are sent: our own form, Alertmanager's, texts for people, and templates."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from pipeline.alerting.receivers.payload import payload_of
from pipeline.config import Receiver
from tests.support.alert_entries import entry

URL = {"url": "http://hooks.example/"}


def receiver(**kind: Any) -> Receiver:
    return Receiver.model_validate({"name": "a", **(kind or {"webhook": URL})})


def alone(alert: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"labels": None, "number": 1, "is_repeat": False, "alerts": [alert or entry("x" * 20, severity="warning")]}


def group(*alerts: dict[str, Any]) -> dict[str, Any]:
    of = {"labels": {"zone_name": "gh/1"}, "group": "g1", "at": "2026-11-23T10:03:00Z", "more": 3}
    return {**of, "number": 2, "is_repeat": False, "alerts": list(alerts)}


def test_an_alert_on_its_own_is_the_event_of_the_log() -> None:
    assert orjson.loads(payload_of(receiver(), alone()).body) == entry("x" * 20, severity="warning")["event"]


def test_a_webhook_may_have_the_form_of_alertmanagers_version_4() -> None:
    form = receiver(webhook={**URL, "format": "alertmanager"})

    body = orjson.loads(payload_of(form, group(entry("1", "resolved", team="x"), entry("2", team="x"))).body)

    assert (body["version"], body["status"], body["receiver"], body["truncatedAlerts"]) == ("4", "firing", "a", 3)
    assert body["groupLabels"] == {"zone_name": "gh/1"}
    assert body["groupKey"] == '{}:{zone_name="gh/1"}'
    assert body["commonLabels"]["team"] == "x"
    assert [alert["status"] for alert in body["alerts"]] == ["resolved", "firing"]
    assert [alert["endsAt"] for alert in body["alerts"]] == ["2026-11-23T10:02:05Z", "0001-01-01T00:00:00Z"]
    assert body["alerts"][0]["labels"]["alertname"] == "TooHot"
    assert {alert["startsAt"] for alert in body["alerts"]} == {"2026-11-23T10:00:00Z"}


def test_an_alertmanager_is_told_of_an_end_and_gets_no_empty_labels() -> None:
    (fired,) = orjson.loads(payload_of(receiver(alertmanager=URL), alone(entry(zone=None))).body)
    (ended,) = orjson.loads(payload_of(receiver(alertmanager=URL), alone(entry(status="resolved"))).body)

    assert all(fired["labels"].values())
    assert fired["labels"] == {name: ended["labels"][name] for name in fired["labels"]}
    assert (fired["endsAt"], ended["endsAt"]) == ("2026-11-30T10:02:05Z", "2026-11-23T10:02:05Z")


def test_a_text_has_a_line_for_each_alert_and_says_how_many_are_left_out() -> None:
    payload = payload_of(receiver(apprise={"url": "ntfys://ntfy.sh/topic"}), group(entry("1", severity="critical")))

    assert payload.title == "FIRING 4 alerts: zone_name=gh/1"
    assert payload.body.decode().splitlines() == [
        "firing (critical) g/TooHot: temperature of sensor=s-1: 33.1, since 2026-11-23T10:00:00Z",
        "… and 3 more",
    ]
    assert payload_of(receiver(), alone()).title == "FIRING g/TooHot in gh/1"


def test_a_template_makes_json_of_values_that_hold_quotes() -> None:
    each = '{{#alerts}}{"id": "{{id}}"}{{^is_last}},{{/is_last}}{{/alerts}}'
    body = f'{{"text": "{{{{rule}}}} {{{{labels.quote}}}}", "all": [{each}]}}'
    form = receiver(webhook=URL, template={"body": body})

    payload = payload_of(form, group(entry("1", quote='a "b"\n'), entry("2")))

    assert payload.content_type == "application/json"
    assert orjson.loads(payload.body) == {"text": 'g/TooHot a "b"\n', "all": [{"id": "1"}, {"id": "2"}]}


@pytest.mark.parametrize(
    ("content_type", "shown"), [("text/html", "&lt;b&gt;"), ("text/plain", "<b>"), ("application/json", "<b>")]
)
def test_values_are_escaped_for_the_type_of_the_body(content_type: str, shown: str) -> None:
    form = receiver(webhook=URL, template={"body": "{{labels.note}}", "content_type": content_type})

    assert payload_of(form, alone(entry(note="<b>"))).body.decode() == shown


@pytest.mark.parametrize("text", ["{{>/etc/passwd}}", "{{rule.__class__}}", "{{labels.items}}", "{{#title}}{{/title}}"])
def test_a_template_reads_nothing_but_its_values(text: str) -> None:
    form = receiver(webhook=URL, template={"body": text})

    assert payload_of(form, alone()).body == b""


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"webhook": URL, "template": {"body": "{{#alerts}}"}}, "it is not a Mustache template"),
        ({"webhook": URL, "template": {"body": "x" * 20_000}}, "at most 16384 characters"),
        ({}, "write one of webhook, alertmanager, mqtt, apprise"),
        ({"webhook": URL, "apprise": {"url": "ntfys://ntfy.sh/x"}}, "webhook and apprise stand in one"),
        ({"apprise": {"url": "json://host/"}}, "write webhook"),
        ({"apprise": {"url": "mqtt://host/topic"}}, "write mqtt"),
        ({"apprise": {"url": "nonsense"}}, "it is not an address of apprise"),
        ({"alertmanager": URL, "template": {"body": "x"}}, "is not for an Alertmanager"),
    ],
)
def test_a_wrong_receiver_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Receiver.model_validate({"name": "a", **wrong})

    assert told in str(raised.value)
