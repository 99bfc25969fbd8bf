"""Client certificates of MQTT: who gets in as whom."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.gateway.listener.settings import User
from pipeline.gateway.mqtt.encode import pubacks
from tests.support.certificate_files import Authority
from tests.support.mqtt_packets import publish
from tests.support.secure_devices import WITHIN_S, Device, Listener, count, listening, on_uvloop, until

USERS = (User("farm-7", None, "seven"), User("ada", "hush", "lovelace"))
FAILED = "tls_handshakes_failed_total"


def bearer(authority: Authority, common_name: str | None, issuer: Authority | None = None) -> ssl.SSLContext:
    """A device with a certificate of this name."""
    return authority.trusting(*(issuer or authority).issue("device", common_name=common_name))


@on_uvloop
async def test_a_certificates_common_name_is_the_user_name(authority: Authority) -> None:
    async with listening(authority.files(client_ca=authority.ca), users=USERS) as listener:
        device = await listener.device(bearer(authority, "farm-7"))
        device.writer.write(publish("t", b"1", packet_id=1))
        await device.receive(pubacks([b"\0\1"]))

        assert listener.messages == [("seven", "t", b"1")]


@pytest.mark.parametrize(
    ("common_name", "given", "code"),
    [
        ("farm-7", {}, 0),
        ("farm-7", {"username": "farm-7"}, 0),
        ("farm-7", {"username": "farm-7", "password": b"of no use"}, 0),
        ("farm-7", {"username": "farm-8"}, 0x86),  # another's name
        ("farm-7", {"username": "ada", "password": b"hush"}, 0),  # a password proves that name
        ("farm-7", {"username": "ada", "password": b"no"}, 0x86),
        ("farm-8", {}, 0x86),  # unknown
        ("farm-8", {"username": "farm-7"}, 0x86),
        ("ada", {}, 0x86),  # a user with a password needs it
        ("ada", {"username": "ada"}, 0x86),
        (None, {}, 0x87),  # a certificate without a name
    ],
)
@on_uvloop
async def test_who_gets_in_with_a_certificate(
    authority: Authority, common_name: str | None, given: dict[str, Any], code: int
) -> None:
    async with listening(authority.files(client_ca=authority.ca), users=USERS) as listener:
        assert (await listener.connack(bearer(authority, common_name), **given))[3] == code


@pytest.mark.parametrize(
    ("given", "code"), [({"username": "ada", "password": b"hush"}, 0), ({"username": "farm-7"}, 0x86), ({}, 0x87)]
)
@on_uvloop
async def test_without_a_certificate_passwords_count(authority: Authority, given: dict[str, Any], code: int) -> None:
    async with listening(authority.files(client_ca=authority.ca), users=USERS) as listener:
        assert (await listener.connack(authority.trusting(), **given))[3] == code


@on_uvloop
async def test_an_unknown_common_name_is_counted_and_complained_of(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    before = count("gateway_refused_total", reason="certificate")
    async with listening(authority.files(client_ca=authority.ca), users=USERS) as listener:
        await listener.connack(bearer(authority, "farm-8"))

    assert count("gateway_refused_total", reason="certificate") == before + 1
    assert "no user with certificate: true is called 'farm-8'" in caplog.text


async def is_cut_off(listener: Listener, context: ssl.SSLContext, reason: str) -> None:
    """In TLS 1.3 a client is through before the server has looked at its certificate."""
    before = count(FAILED, server="mqtt", reason=reason)
    device: Device | None = None
    try:
        device = await listener.dial(context)
        assert await device.closed() == b""
    except OSError:
        pass
    await until(lambda: count(FAILED, server="mqtt", reason=reason) == before + 1)


@on_uvloop
async def test_a_required_certificate_is_required_and_without_users_lets_everyone_in_who_has_one(
    authority: Authority,
) -> None:
    async with listening(authority.files(client_ca=authority.ca, requires=True)) as listener:
        await is_cut_off(listener, authority.trusting(), "no_client_certificate")

        device = await listener.device(bearer(authority, "anybody"))
        device.writer.write(publish("t", b"1", packet_id=1))
        await device.receive(pubacks([b"\0\1"]))
        assert listener.messages == [("default", "t", b"1")]


@pytest.mark.parametrize("requires", [True, False])
@on_uvloop
async def test_a_certificate_of_another_authority_is_refused_in_the_handshake(
    authority: Authority, tmp_path: Path, requires: bool
) -> None:
    other = Authority(tmp_path, "other")
    async with listening(authority.files(client_ca=authority.ca, requires=requires), users=USERS) as listener:
        await is_cut_off(listener, bearer(authority, "farm-7", other), "client_certificate")


@pytest.mark.processes
@on_uvloop
async def test_mosquitto_pub_gets_in_with_a_certificate(authority: Authority) -> None:
    program = shutil.which("mosquitto_pub")
    assert program is not None, "install mosquitto-clients"
    certificate, key = authority.issue("device", common_name="farm-7")
    async with listening(authority.files(client_ca=authority.ca, requires=True), users=USERS) as listener:
        proof = ["--cafile", str(authority.ca), "--cert", str(certificate), "--key", str(key)]
        options = ["-p", str(listener.port), "-h", "127.0.0.1", "-q", "1", "-t", "a/b", "-m", "21.4", "-V", "5"]
        await asyncio.to_thread(subprocess.run, [program, *proof, *options], check=True, timeout=WITHIN_S)

        assert listener.messages == [("seven", "a/b", b"21.4")]
