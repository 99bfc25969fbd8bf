"""Each kind of receiver delivers to a real server, and fails as told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from loopback_endpoint import answer, endpoint
from one_delivery import delivered
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from standardwebhooks import Webhook

from pipeline.operations.cli.group import run
from tests.support.alert_entries import entry
from tests.support.mosquitto import Mosquitto, free_port

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="]


def at(port: int, **more: Any) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{port}/hook", "allow_private": True, **more}


async def test_while_a_secret_is_changed_each_of_both_verifies(tmp_path: Path) -> None:
    async with endpoint() as hook, delivered(tmp_path, {"name": "a", "webhook": at(hook.port, secret=SECRETS)}):
        (posted,) = hook.posted

    for secret in SECRETS:
        assert Webhook(secret).verify(posted.body, posted.headers)["type"] == "alert.firing"


async def test_an_alertmanager_gets_alerts_at_its_api(tmp_path: Path) -> None:
    async with endpoint(answer(200)) as manager:
        url = f"http://user:word@127.0.0.1:{manager.port}/prefix/"
        receiver = {"name": "a", "alertmanager": {"url": url, "allow_private": True}}
        async with delivered(tmp_path, receiver) as found:
            (posted,) = manager.posted

    assert posted.path == "/prefix/api/v2/alerts"
    assert orjson.loads(posted.body)[0]["labels"]["alertname"] == "TooHot"
    assert posted.headers["authorization"].startswith("Basic ")
    assert (found["a"].state, found["a"].answer) == ("delivered", "HTTP 200")


async def test_a_sample_is_sent_by_command_and_shown_with_its_answer_and_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with endpoint(answer(200, body=b"welcome"), answer(500)) as hook:
        file = tmp_path / "streamgauge.yaml"
        file.write_text(json.dumps({"receivers": [{"name": "a", "webhook": at(hook.port, secret=SECRETS[0])}]}))
        code = await asyncio.to_thread(run, ["receivers", "test", "a", "--config", str(file)])

    told = capsys.readouterr().out
    assert code == 1
    assert [orjson.loads(posted.body)["type"] for posted in hook.posted] == ["alert.firing", "alert.resolved"]
    assert hook.posted[0].body.decode() in told
    assert "accepted: HTTP 200: welcome" in told
    assert "NOT accepted: HTTP 500" in told
    assert "/hook" not in told
    assert SECRETS[0] not in told


@pytest.mark.processes
async def test_a_broker_gets_what_is_published_and_keeps_it_if_it_is_told_to(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        mqtt = {"broker": broker.address, "topic": "alerts/{{account}}/{{alertname}}/{{labels.note}}", "retain": True}
        sections = {"brokers": [{"url": f"mqtt://{broker.address}", "topics": ["x"]}]}
        async with delivered(tmp_path, {"name": "a", "mqtt": mqtt}, **sections) as found:
            got = await asyncio.to_thread(retained_of, broker)

    assert [(message.topic, orjson.loads(message.payload)) for message in got] == [
        ("alerts/default/TooHot/", entry("a1", severity="critical")["event"])
    ]
    assert found["a"].answer == f"{broker.address} has acknowledged it on alerts/default/TooHot/"


def retained_of(broker: Mosquitto) -> list[MQTTMessage]:
    got: list[MQTTMessage] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("alerts/#", 1)
    client.on_message = lambda _client, _data, message: (got.append(message), client.disconnect())
    client.connect("127.0.0.1", broker.port)
    client.loop_forever()
    return got


async def test_a_broker_that_is_away_is_tried_again(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    mqtt = {"broker": address, "topic": "alerts"}
    sections = {"brokers": [{"url": f"mqtt://{address}", "topics": ["x"]}]}
    async with delivered(tmp_path, {"name": "a", "mqtt": mqtt}, **sections) as found:
        pass

    assert (found["a"].state, found["a"].error) == ("queued", f"{address}: [Errno 111] Connection refused")
