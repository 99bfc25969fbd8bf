"""Devices publish with unmodified clients; what they sent is answered by SQL and by the command."""

import csv
import io
import json
import socket
import subprocess
import uuid
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pyarrow as pa
import pytest

from pipeline.operations.demo import Receiver
from tests.end_to_end.running_product import Device, Ran, ask, command, count, listening, now_ms, rows
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

PROTOCOLS = {"3.1.1": paho.MQTTv311, "5": paho.MQTTv5}


@pytest.fixture
def zone() -> str:
    """A zone that no other test has."""
    return f"gh-{uuid.uuid4().hex[:8]}/north"


def until_stored(product: Product, zone: str, number: int) -> None:
    greenhouse = zone.partition("/")[0]
    wait_for(lambda: count(product, f"WHERE greenhouse = '{greenhouse}'") == number, f"{number} rows of {zone}")


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize("qos", [0, 1])
def test_paho_publishes(product: Product, zone: str, version: str, qos: int) -> None:
    with Device(product, protocol=PROTOCOLS[version]) as device:
        for number in range(20):
            device.publish(f"farm/{zone}/s1", {"ts": now_ms() + number, "temperature": number}, qos=qos)

    until_stored(product, zone, 20)


@pytest.mark.parametrize("version", PROTOCOLS)
async def test_aiomqtt_publishes(product: Product, zone: str, version: str) -> None:
    host, _, port = product.mqtt.rpartition(":")
    protocol = aiomqtt.ProtocolVersion(PROTOCOLS[version])
    async with aiomqtt.Client(host, int(port), protocol=protocol) as client:
        for number in range(20):
            payload = json.dumps({"ts": now_ms() + number, "temperature": number})
            await client.publish(f"farm/{zone}/s1", payload, qos=1)

    until_stored(product, zone, 20)


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto_pub_publishes(product: Product, zone: str, version: str) -> None:
    host, _, port = product.mqtt.rpartition(":")
    lines = "".join(json.dumps({"ts": now_ms() + number, "temperature": number}) + "\n" for number in range(20))
    words = ["mosquitto_pub", "-h", host, "-p", port, "-V", version, "-q", "1", "-t", f"farm/{zone}/s1", "-l"]
    subprocess.run(words, input=lines.encode(), check=True, timeout=60)

    until_stored(product, zone, 20)


def test_a_will_of_a_device_that_vanished_is_stored(product: Product, zone: str) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.will_set(f"farm/{zone}/s1", json.dumps({"ts": now_ms(), "online": False}), qos=1)
    host, _, port = product.mqtt.rpartition(":")
    client.connect(host, int(port))
    client.loop_start()
    wait_for(client.is_connected, "the device is connected")
    sock = client.socket()
    assert sock is not None
    sock.shutdown(socket.SHUT_RDWR)
    client.loop_stop()

    until_stored(product, zone, 1)


def test_bad_payloads_are_dead_letters_and_hold_up_nothing(product: Product, zone: str) -> None:
    bad = [b"", b"{", b"\xff", b'{"ts": "soon", "temperature": 1}', b'{"ts": 1, "a": [1]}']
    with Device(product) as device:
        for number, body in enumerate(bad):
            device.publish(f"farm/{zone}/s1", body, {"ts": now_ms() + number, "temperature": number})
        device.publish(f"elsewhere/{zone}", {"ts": 1})

    until_stored(product, zone, len(bad))
    reasons = wait_for(lambda: _reasons(product, zone, len(bad) + 1), "all dead letters")
    assert reasons == {
        "no_route": 1,
        "empty_payload": 1,
        "invalid_json": 1,
        "invalid_utf8": 1,
        "time_unreadable": 1,
        "too_late": 1,
    }


def _reasons(product: Product, zone: str, number: int) -> dict[str, int] | None:
    with product.client() as client:
        letters = client.get("v1", "dead-letters", parameters=[("limit", "1000")])["dead_letters"]
    found = [letter["reason"] for letter in letters if zone in letter["mqtt_topic"]]
    return {reason: found.count(reason) for reason in found} if len(found) == number else None


def test_averages_and_queries_by_the_command(product: Product, zone: str) -> None:
    start_ms = now_ms() // 60_000 * 60_000 - 600_000
    values = [20.0, 21.0, 23.0, 30.0]
    with Device(product) as device:
        for number, value in enumerate(values):
            device.publish(f"farm/{zone}/s{number}", {"ts": start_ms + 30_000 * number, "temperature": value})
    until_stored(product, zone, len(values))
    greenhouse = zone.partition("/")[0]
    sql = f'SELECT sensor, temperature FROM "farm"."climate" WHERE greenhouse = \'{greenhouse}\' ORDER BY time'

    one = ask(product, "averages", zone, "--measure", "temperature")
    binned = ask(product, "averages", zone, "--measure", "temperature", "--bin", "1m", "--format", "json")
    table, piped = ask(product, "query", sql), ask(product, "query", "-", stdin=sql)
    text = ask(product, "query", sql, "--format", "csv")
    document = ask(product, "query", sql, "--format", "json")
    arrow = ask(product, "query", sql, "--format", "arrow")

    header, row = (line.split("\t") for line in one.out.splitlines())
    assert header == ["zone", "measure", "unit", "time", "average", "min", "max", "count"]
    assert (row[:3], row[4:]) == ([zone, "temperature", "celsius"], ["23.5", "20.0", "30.0", "4"])
    averages = json.loads(binned.out)["results"][0]["averages"]
    assert [(bin_["average"], bin_["count"]) for bin_ in averages] == [(20.5, 2), (26.5, 2)]
    expected = [[f"s{number}", value] for number, value in enumerate(values)]
    assert table.out.splitlines() == ["sensor\ttemperature", *(f"{name}\t{value}" for name, value in expected)]
    assert piped.out == table.out
    assert list(csv.reader(io.StringIO(text.out)))[1:] == [[name, str(value)] for name, value in expected]
    assert json.loads(document.out)["rows"] == expected
    assert pa.ipc.open_stream(arrow.data).read_all()["temperature"].to_pylist() == values


def test_zones_days_of_a_time_zone_and_a_query_from_a_file_by_the_command(
    product: Product, zone: str, tmp_path: Path
) -> None:
    with Device(product) as device:
        for number in range(3):
            device.publish(f"farm/{zone}/s{number}", {"ts": now_ms() - 1 + number, "temperature": 20})
    until_stored(product, zone, 3)
    greenhouse = zone.partition("/")[0]
    sql = f'SELECT COUNT(*) AS n FROM "farm"."climate" WHERE greenhouse = \'{greenhouse}\''
    file = tmp_path / "count.sql"
    file.write_text(sql, encoding="utf-8-sig")

    zones = ask(product, "zones", "--table", "farm.climate", "--format", "json")
    in_days = ("--measure", "temperature", "--bin", "1d", "--tz", "Asia/Kolkata", "--format", "json")
    days = json.loads(ask(product, "averages", zone, *in_days).out)["results"][0]["averages"]
    from_file, from_input = ask(product, "query", "--file", str(file)), ask(product, "query", "-f", "-", stdin=sql)
    both = ask(product, "query", sql, "--file", str(file))

    assert [found["sensors"] for found in json.loads(zones.out)["zones"] if found["zone"] == zone] == [3]
    assert sum(day["count"] for day in days) == 3
    assert {day["time"][10:] for day in days} == {"T18:30:00Z"}  # midnight in Kolkata
    assert from_file.out == from_input.out == "n\n3\n"
    assert (both.code, "name either a query" in both.err) == (2, True)


def test_an_alert_fires_and_resolves_at_the_webhook_and_is_listed(
    product: Product, receiver: Receiver, zone: str
) -> None:
    """The receiver accepts only what is signed as Standard Webhooks has it."""
    with Device(product) as device:
        for number, value in enumerate((30, 39.5, 37, 35)):
            device.publish(f"farm/{zone}/s1", {"ts": now_ms() + number, "temperature": value})

    events = [receiver.events.get(timeout=60), receiver.events.get(timeout=60)]
    listed = ask(product, "alerts", "list", "--zone", zone, "--format", "json")
    text = ask(product, "alerts")
    deliveries = wait_for(lambda: _delivered(product, events[0]["data"]["id"]), "both deliveries are noted")

    assert [event["type"] for event in events] == ["alert.firing", "alert.resolved"]
    assert events[0]["data"]["annotations"] == {"summary": f"{zone}: 39.5 °C on s1"}
    assert len({event["data"]["id"] for event in events}) == 1
    (alert,) = json.loads(listed.out)["alerts"]
    assert (alert["rule"], alert["status"]) == ("climate/TooHot", "resolved")
    assert alert["id"] in text.out
    assert [entry["attempts"] for entry in deliveries] == [1, 1]


def _delivered(product: Product, alert_id: str) -> list[dict[str, int]] | None:
    answer = ask(product, "alerts", "deliveries", "--state", "delivered", "--format", "json")
    found = [entry for entry in json.loads(answer.out)["deliveries"] if entry["id"].startswith(alert_id)]
    return found if len(found) == 2 else None


def test_devices_and_dead_letters_by_the_command(product: Product, zone: str) -> None:
    topic = f"farm/{zone}/s1"
    with Device(product) as device:
        device.publish(topic, {"ts": now_ms(), "temperature": 1}, b"{not json")
    until_stored(product, zone, 1)

    def letter() -> str | None:
        listed = ask(product, "dead-letters", "list", "--mqtt-topic", topic)
        lines = listed.out.splitlines()
        return lines[1].split("\t")[0] if len(lines) == 2 else None

    letter_id = wait_for(letter, "the dead letter is listed")
    devices = ask(product, "devices", "--zone", zone)
    shown = ask(product, "dead-letters", "show", letter_id)
    replayed = ask(product, "dead-letters", "replay", letter_id)
    again = wait_for(lambda: letter() is None, "what fails again is a new dead letter")

    assert f"greenhouse={zone.partition('/')[0]} sensor=s1 zone=north" in devices.out
    assert f"{topic}\tinvalid_json\t1\t" in devices.out
    assert json.loads(shown.out)["payload"] == "{not json"
    assert (replayed.code, replayed.out) == (0, "replayed 1\n")
    assert again


def test_exit_codes_and_messages(product: Product) -> None:
    """0 fine, 1 the answer is no, 2 wrong usage, 3 the server cannot be reached."""
    answers: dict[str, Ran] = {
        "fine": ask(product, "query", "SELECT 1 AS one"),
        "no": ask(product, "query", "SELECT nothing FROM nowhere.nothing"),
        "no zone": ask(product, "averages", "gh-none", "--measure", "temperature"),
        "usage": ask(product, "averages", "gh-none"),
        "no letter": ask(product, "dead-letters", "show", "x:0:0:0"),
        "nobody": command("query", "SELECT 1", endpoint="http://127.0.0.1:1"),
        "no address": command("devices", endpoint="127.0.0.1:8080"),
    }

    assert {name: answer.code for name, answer in answers.items()} == {
        "fine": 0, "no": 1, "no zone": 1, "usage": 2, "no letter": 1, "nobody": 3, "no address": 3,
    }  # fmt: skip
    assert answers["fine"].out == "one\n1\n"
    assert "no zone 'gh-none'" in answers["no zone"].err
    assert "no server answers at http://127.0.0.1:1" in answers["nobody"].err
    for name in ("no", "no zone", "no letter", "nobody", "no address"):
        assert answers[name].err.startswith("Error: "), name
        assert answers[name].err.count("\n") == 1, name


def test_the_worker_listens_for_http_and_nothing_else(product: Product) -> None:
    """Faust's own web server stays off."""
    assert listening(product.pid("worker")) == {int(product.http.rpartition(":")[2])}
    assert listening(product.pid("gateway")) == {int(product.mqtt.rpartition(":")[2])}


def test_sql_knows_the_columns_a_device_brought(product: Product, zone: str) -> None:
    with Device(product) as device:
        device.publish(f"farm/{zone}/s1", {"ts": now_ms(), "temperature": 1, "battery": 3.3})
    until_stored(product, zone, 1)

    with product.client() as client:
        names = [row[0] for row in rows(client, 'DESCRIBE "farm"."climate"')]

    assert {"greenhouse", "zone", "sensor", "measure_name", "time", "temperature", "battery"} <= set(names)
