"""Mail and chats by the library `apprise`, with real servers."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from loopback_endpoint import answer, endpoint
from one_delivery import STREAM, delivered

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.receivers import AlertsPartition, by_apprise, public_sockets
from pipeline.base.errors import ConfigError
from pipeline.config import Config
from tests.support.mosquitto import free_port

# It imports a module that Python 3.13 does not have any more; and it takes seconds to import, which is for the lane of
# what starts processes.
pytestmark = [pytest.mark.filterwarnings("ignore:'imghdr' is deprecated"), pytest.mark.processes]


class Mailbox:
    """What aiosmtpd has accepted."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


async def test_mail_and_ntfy_are_sent_by_apprise(tmp_path: Path) -> None:
    mailbox, smtp_port = Mailbox(), free_port()
    mails = Controller(mailbox, hostname="127.0.0.1", port=smtp_port)
    mails.start()
    try:
        async with endpoint(answer(200)) as ntfy:
            smtp = f"mailto://127.0.0.1:{smtp_port}?from=us@farm.example&to=ada@farm.example"
            receivers = (
                {"name": "mail", "apprise": {"url": smtp, "allow_private": True}},
                {"name": "ntfy", "apprise": {"url": f"ntfy://127.0.0.1:{ntfy.port}/hush-topic", "allow_private": True}},
            )
            async with delivered(tmp_path, *receivers) as found:
                (posted,) = ntfy.posted
    finally:
        mails.stop()

    assert {one.state for one in found.values()} == {"delivered"}
    (mail,) = mailbox.mails
    assert (mail["subject"], mail["to"]) == ("FIRING g/TooHot in gh/1", "ada@farm.example")
    assert b"firing (critical) g/TooHot" in posted.body


async def test_what_apprise_cannot_send_is_tried_again_and_told_without_secrets(tmp_path: Path) -> None:
    async with endpoint(answer(403, body=b"no")) as ntfy:
        url = f"ntfy://me:hush-hush@127.0.0.1:{ntfy.port}/hush-topic"
        async with delivered(tmp_path, {"name": "a", "apprise": {"url": url, "allow_private": True}}) as found:
            pass

    assert found["a"].state == "queued"
    assert "403" in (found["a"].error or "")
    assert "hush" not in (found["a"].error or "")


async def test_apprise_is_not_asked_to_connect_to_a_private_host_without_leave(tmp_path: Path) -> None:
    async with endpoint(answer(200)) as ntfy:
        url = f"ntfy://127.0.0.1:{ntfy.port}/topic"
        async with delivered(tmp_path, {"name": "a", "apprise": {"url": url}}) as found:
            pass

    assert ntfy.posted == []
    assert found["a"].error == "its host has an address that is not public: it needs `allow_private: true`"


async def test_apprise_does_not_follow_a_redirect_to_a_private_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (by_apprise, public_sockets):
        monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.1")
    async with endpoint() as inside:
        there = f"location: http://127.0.0.2:{inside.port}/\r\n"
        async with endpoint(answer(307, there)) as ntfy:
            url = f"ntfy://127.0.0.1:{ntfy.port}/topic"
            async with delivered(tmp_path, {"name": "a", "apprise": {"url": url}}) as found:
                assert len(ntfy.posted) == 1

    assert inside.posted == []
    assert found["a"].error == "it leads to 127.0.0.2, which is not public: it needs `allow_private: true`"


def test_an_address_that_apprise_does_not_know_is_refused_at_the_start(tmp_path: Path) -> None:
    config = Config.model_validate({"receivers": [{"name": "a", "apprise": {"url": "nonsense://hush-hush/"}}]})
    archive = AlertArchive(tmp_path / "alerts.sqlite")

    with pytest.raises(ConfigError, match=r"receivers: a: apprise\.url: .* does not know this address") as raised:
        AlertsPartition(config, archive, STREAM)

    assert "hush" not in str(raised.value)
    archive.close()
