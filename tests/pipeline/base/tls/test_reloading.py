"""New certificate files at run time: new handshakes see them, open connections stay, bad ones are refused."""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.base.tls.reloading import ReloadingContext
from pipeline.gateway.mqtt.encode import pubacks
from tests.support.certificate_files import Authority
from tests.support.mqtt_packets import publish
from tests.support.secure_devices import Device, Listener, count, listening, on_uvloop, until

EXPIRY = "tls_certificate_expiry_timestamp_seconds"
RELOADS = "tls_reloads_total"


def der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


async def shown(listener: Listener, authority: Authority) -> bytes:
    """The certificate that a new connection sees."""
    return (await listener.dial(authority.trusting())).certificate


async def is_heard(device: Device, packet_id: int) -> None:
    device.writer.write(publish("t", b"x", packet_id=packet_id))
    await device.receive(pubacks([packet_id.to_bytes(2, "big")]))


@pytest.mark.parametrize("becomes_rsa", [False, True])
@on_uvloop
async def test_new_handshakes_see_the_new_certificate_and_open_connections_stay(
    authority: Authority, becomes_rsa: bool
) -> None:
    """Another kind of key too, which one context would keep beside the old."""
    async with listening(authority.files()) as listener:
        before = await listener.device(authority.trusting())
        old = der(authority.folder / "server.pem")
        assert before.certificate == old
        last = datetime(2040, 1, 1, tzinfo=UTC)
        new, _ = authority.issue("server", is_rsa=becomes_rsa, not_after=last)

        listener.gateway.reload_certificates()

        assert await shown(listener, authority) == der(new) != old
        await is_heard(before, 1)
        assert count(EXPIRY, server="mqtt") == last.timestamp()


@on_uvloop
async def test_changed_files_are_found_by_looking_now_and_then(authority: Authority) -> None:
    async with listening(authority.files()) as listener:
        new = der(authority.issue("server")[0])

        for _ in range(20):
            listener.gateway.turn()

        assert await shown(listener, authority) == new


def test_files_that_are_being_changed_are_left_alone_until_they_rest(authority: Authority) -> None:
    context = ReloadingContext(authority.files(), "mqtt")
    before = count(RELOADS, server="mqtt", outcome="loaded")

    for _ in range(3):
        authority.issue("server")
        context.poll()
    while_changing = count(RELOADS, server="mqtt", outcome="loaded")
    for _ in range(3):
        context.poll()

    assert while_changing == before
    assert count(RELOADS, server="mqtt", outcome="loaded") == before + 1


@on_uvloop
async def test_bad_files_are_refused_loudly_and_the_old_certificate_stays(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(authority.files()) as listener:
        certificate = authority.folder / "server.pem"
        old, failed = der(certificate), count(RELOADS, server="mqtt", outcome="failed")
        expires = count(EXPIRY, server="mqtt")
        now = datetime.now(UTC)
        authority.issue("server", not_before=now - timedelta(days=2), not_after=now - timedelta(days=1))

        for _ in range(40):
            listener.gateway.turn()

        assert await shown(listener, authority) == old
        assert count(RELOADS, server="mqtt", outcome="failed") == failed + 1
        assert count(EXPIRY, server="mqtt") == expires
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert f"listener.tls.certificate: {certificate}: expired at" in record.getMessage()
        assert "stays in use" in record.getMessage()

        certificate.unlink()
        listener.gateway.reload_certificates()
        assert await shown(listener, authority) == old
        new, _ = authority.issue("server")
        listener.gateway.reload_certificates()
        assert await shown(listener, authority) == der(new)


@on_uvloop
async def test_a_client_authority_that_was_replaced_is_trusted_no_more(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    client_ca = tmp_path / "client-ca.pem"
    client_ca.write_bytes(authority.ca.read_bytes())
    ours = authority.trusting(*authority.issue("ours", common_name="ours"))
    theirs = authority.trusting(*other.issue("theirs", common_name="theirs"))
    async with listening(authority.files(client_ca=client_ca, requires=True)) as listener:
        before = await listener.device(ours)
        client_ca.write_bytes(other.ca.read_bytes())

        listener.gateway.reload_certificates()

        await listener.device(theirs, "theirs")
        failed = count("tls_handshakes_failed_total", server="mqtt", reason="client_certificate")
        device = await listener.dial(ours)
        with pytest.raises((OSError, EOFError)):
            await device.packet()
        await until(
            lambda: count("tls_handshakes_failed_total", server="mqtt", reason="client_certificate") == failed + 1,
        )
        await is_heard(before, 1)
