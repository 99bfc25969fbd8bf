"""TLS, client certificates, passwords and access rules of a real Mosquitto; and what is said when they are wrong."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import trustme
import uvloop
from paho.mqtt.enums import CallbackAPIVersion

from pipeline.base.errors import ConfigError
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.reachability import reach
from tests.support.broker_intake import Take, start_intake, until
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.paho_clients import disconnect
from tests.support.scripted_broker import Scripted

SETTINGS = """
per_listener_settings true
listener {port} 127.0.0.1
password_file {folder}/passwords
acl_file {folder}/acl
listener PORT 127.0.0.1
allow_anonymous true
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.pem
require_certificate true
use_identity_as_username true
"""


@dataclass
class Secured:
    """A broker that wants a password on `plain`, and a client certificate on `secure`."""

    folder: Path
    mosquitto: Mosquitto
    secure_port: int

    @property
    def plain(self) -> str:
        return f"127.0.0.1:{self.mosquitto.port}"

    def tls(self, **changed: str | None) -> dict[str, Any]:
        names = {"ca": "ca.pem", "certificate": "client.pem", "key": "client.pem"} | changed
        return {name: self.folder / file for name, file in names.items() if file is not None}

    def publish(self, *payloads: bytes) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("device", "secret")
        client.connect("127.0.0.1", self.mosquitto.port)
        client.loop_start()
        for sent in [client.publish("a/b", payload, 1) for payload in payloads]:
            sent.wait_for_publish(60)
        disconnect(client)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "other-ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.issue_cert("ingest.example", common_name="ingest").private_key_and_cert_chain_pem.write_to_path(
        folder / "client.pem"
    )
    other.issue_cert("ingest.example").private_key_and_cert_chain_pem.write_to_path(folder / "stranger.pem")
    (folder / "acl").write_text("user ingest\ntopic read a/#\nuser device\ntopic write a/#\n")
    (folder / "passwords").write_text("ingest:p@ss/word#\ndevice:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", str(folder / "passwords")], check=True)
    port = free_port()
    with Mosquitto(folder, SETTINGS.replace("PORT", str(port))) as mosquitto:
        yield Secured(folder, mosquitto, port)


@pytest.mark.processes
async def test_messages_come_over_tls_with_a_client_certificate_and_with_a_password(
    secured: Secured, take: Take
) -> None:
    by_certificate = {"url": f"mqtts://localhost:{secured.secure_port}", "topics": ["a/#"], "tls": secured.tls()}
    by_password = {"url": f"mqtt://ingest:p@ss/word#@{secured.plain}", "topics": ["a/#"], "version": "3.1.1"}
    before = secured.mosquitto.log.count("Sending SUBACK to streamgauge-")
    secure = await take(by_certificate, folder="one")
    plain = await take(by_password, folder="two")
    await until(lambda: secured.mosquitto.log.count("Sending SUBACK to streamgauge-") >= before + 2)

    secured.publish(b"x" * 100_000)

    await secure.has([b"x" * 100_000])
    await plain.has([b"x" * 100_000])


@pytest.mark.processes
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_much_over_tls_comes_whole_on_either_loop(
    secured: Secured, tmp_path: Path, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """More than a TLS record, and than one reading, at once."""
    before = secured.mosquitto.log.count("Sending SUBACK to streamgauge-")
    entry = {"url": f"mqtts://localhost:{secured.secure_port}", "topics": ["a/#"], "tls": secured.tls()}
    payloads = [f"{number} ".encode() * 2_000 for number in range(200)]

    async def take_in() -> None:
        intake = await start_intake(tmp_path / "gateway", entry)
        await until(lambda: secured.mosquitto.log.count("Sending SUBACK to streamgauge-") > before)
        await asyncio.to_thread(secured.publish, *payloads)
        await intake.has(payloads)
        await intake.stop()

    run(take_in())


@pytest.mark.processes
async def test_a_broker_that_can_be_used_is_said_to_be(secured: Secured) -> None:
    by_certificate = Broker(url=f"mqtts://localhost:{secured.secure_port}", topics=("a/#",), tls=secured.tls())
    by_password = Broker(url=f"mqtt://{secured.plain}", topics=("a/#",), username="ingest", password="p@ss/word#")

    assert (await reach(by_certificate)).is_ok
    assert (await reach(by_password)).is_ok
    assert (await reach(by_password.model_copy(update={"version": "3.1.1", "group": "g"}))).is_ok


WRONG = {
    "no password": ({"url": "mqtt://{plain}"}, "not_authorised", "set the user name and password"),
    "3.1.1": ({"url": "mqtt://{plain}", "version": "3.1.1"}, "not_authorised", "set the user name and password"),
    "password": ({"url": "mqtt://ingest:x@{plain}"}, "not_authorised", "set the user name and password"),
    "refused": ({"url": "mqtt://127.0.0.1:{free}"}, "unreachable", "nothing listens there"),
    "name": ({"url": "mqtt://no-such-host.invalid"}, "dns", "correct the host in the url"),
    "not TLS": ({"url": "mqtts://{plain}", "tls": {}}, "tls", "the port does not speak TLS, it seems"),
    "TLS": ({"url": "mqtt://localhost:{secure}"}, "lost", "write mqtts://"),
    "authority": ({"url": "mqtts://localhost:{secure}", "tls": {"ca": "other-ca.pem"}}, "tls", "as tls.ca"),
    "system": ({"url": "mqtts://localhost:{secure}", "tls": {"ca": None}}, "tls", "as tls.ca"),
    "name of it": ({"url": "mqtts://127.0.0.1:{secure}", "tls": {}}, "tls", "as the broker's certificate names it"),
    "no certificate": (
        {"url": "mqtts://localhost:{secure}", "tls": {"certificate": None, "key": None}},
        "tls",
        "the broker requires a client certificate",
    ),
    "stranger": (
        {"url": "mqtts://localhost:{secure}", "tls": {"certificate": "stranger.pem", "key": "stranger.pem"}},
        "tls",
        "the broker requires a client certificate",
    ),
    "no file": (
        {"url": "mqtts://localhost:{secure}", "tls": {"ca": "absent.pem"}},
        "tls",
        "cannot be read: No such file",
    ),
}


@pytest.mark.processes
@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_is_said_with_its_remedy_and_without_secrets(secured: Secured, case: str) -> None:
    settings, kind, words = WRONG[case]
    url = str(settings["url"]).format(plain=secured.plain, secure=secured.secure_port, free=free_port())
    given = {**settings, "url": url, "topics": ("a/#",)}
    if "tls" in settings:
        given["tls"] = secured.tls(**settings["tls"])  # type: ignore[dict-item]  # a dict in that case

    found = await reach(Broker(**given))

    assert [trouble.kind.value for trouble in found.troubles] == [kind]
    assert words in str(found.troubles[0])
    assert "p@ss" not in str(found)


async def test_a_filter_that_the_rules_forbid_is_named() -> None:
    """By brokers that say so; Mosquitto grants it, and sends nothing."""
    async with Scripted() as broker:
        looking = asyncio.create_task(reach(Broker(url=broker.url, topics=("a/#", "secret/#"))))
        connection = await broker.accept(granted=b"\x00\x87")

        found = await looking

        assert connection.connect[9] == 2  # clean start
        assert [trouble.kind.value for trouble in found.troubles] == ["not_authorised"]
        assert "'secret/#'" in str(found.troubles[0])


async def test_a_broker_without_shared_subscriptions_is_no_broker_for_a_group() -> None:
    async with Scripted() as broker:
        looking = asyncio.create_task(reach(Broker(url=broker.url, topics=("a/#",), group="g")))
        await broker.accept(bytes.fromhex("20 05 00 00 02 2a 00"), granted=None)

        found = await looking

        assert "leave out group" in str(found.troubles[0])


@pytest.mark.processes
async def test_a_tls_file_that_cannot_be_used_is_told_at_the_start_with_its_setting(
    secured: Secured, take: Take
) -> None:
    (secured.folder / "torn.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    entry = {"url": f"mqtts://localhost:{secured.secure_port}", "topics": ["a/#"], "tls": secured.tls(ca="torn.pem")}

    with pytest.raises(ConfigError, match=r"brokers\[0\]\.tls\.ca: .*torn\.pem: not PEM"):
        await take(entry)
