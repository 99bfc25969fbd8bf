"""Receivers that the library `apprise` reaches: e-mail, Slack, Teams, Telegram, PagerDuty, ntfy and a hundred more.

apprise opens its connections itself, and follows redirects. So its sockets are watched (`public_sockets`). What the
name of an own server resolves to is looked at before, too: that is told at the start, and more clearly.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

from pipeline.alerting.archive.delivery import Delivery
from pipeline.alerting.receivers.addresses import is_public
from pipeline.alerting.receivers.notifier import Notice, Request
from pipeline.alerting.receivers.payload import payload_of
from pipeline.alerting.receivers.public_sockets import public_sockets
from pipeline.alerting.receivers.retry_policy import Accepted, Attempt
from pipeline.alerting.routing.entry import status_of
from pipeline.base.errors import ConfigError
from pipeline.config.receivers import Apprise, Receiver
from store.values.urls import scrubbed_whole

TIMEOUT_S = 30.0
CONCURRENT = 4
SHOWN_CHARACTERS = 200


class AppriseNotifier:
    """Sends to one address of apprise."""

    def __init__(self, receiver: Receiver, apprise: Apprise) -> None:
        self._receiver = receiver
        self._apprise = apprise
        self._url = apprise.url.get_secret_value()
        self._threads = ThreadPoolExecutor(CONCURRENT, thread_name_prefix="alerts by apprise")

    async def attempt(self, delivery: Delivery) -> Attempt | Accepted:
        """See Notifier."""
        payload = payload_of(self._receiver, delivery.content)
        return await self._attempt(payload.title, payload.body.decode(), payload.content_type, _kind_of(delivery))

    async def tell(self, notice: Notice) -> Attempt | Accepted:
        """See Notifier."""
        return await self._attempt(notice.title, notice.text, "text/plain", "failure" if notice.is_failure else "info")

    async def _attempt(self, title: str, body: str, content_type: str, kind: str) -> Attempt | Accepted:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                told = await loop.run_in_executor(self._threads, self._send, title, body, content_type, kind)
        except TimeoutError:
            return Attempt(None, {}, f"no answer within {TIMEOUT_S:g} s")
        except ConfigError as error:
            return Attempt(None, {}, self._shown(str(error)))
        return Accepted("accepted") if told is None else Attempt(None, {}, self._shown(told))

    def request(self, delivery: Delivery) -> Request:
        """See Notifier."""
        payload = payload_of(self._receiver, delivery.content)
        headers = {"title": payload.title, "type": _kind_of(delivery)}
        return Request(self._receiver.shown, headers, payload.body.decode())

    async def trouble(self) -> str | None:
        """See Notifier: an address that is not public."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._check, _plugin(self._url))
        except ConfigError as error:
            return self._shown(str(error))
        return None

    async def close(self) -> None:
        """See Notifier."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _shown(self, text: str) -> str:
        return scrubbed_whole(" ".join(text.split()), self._url)[:SHOWN_CHARACTERS]

    def _check(self, plugin: Any) -> None:
        """Raises ConfigError for an address that is not permitted. What does not resolve is left to apprise."""
        if self._apprise.allow_private:
            return
        for host in _hosts_of(plugin):
            try:
                found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                continue
            if not all(is_public(str(address[0])) for *_, address in found):
                raise ConfigError("its host has an address that is not public: it needs `allow_private: true`")

    def _send(self, title: str, body: str, content_type: str, kind: str) -> str | None:
        """None if it was accepted; else what apprise says about it. In a thread."""
        plugin = _plugin(self._url)
        self._check(plugin)
        said = _Said()
        logger = logging.getLogger("apprise")
        logger.addHandler(said)
        try:
            form = "html" if content_type.startswith("text/html") else "text"
            with nullcontext() if self._apprise.allow_private else public_sockets() as refused:
                is_accepted = plugin.notify(body=body, title=title, notify_type=kind, body_format=form)
        finally:
            logger.removeHandler(said)
        if is_accepted:
            return None
        if refused:
            return f"it leads to {refused[0]}, which is not public: it needs `allow_private: true`"
        return said.text or "it was not accepted"


class _Said(logging.Handler):
    """What apprise logs in this thread while it sends: it returns only whether that worked."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    @property
    def text(self) -> str:
        """All of it in one line."""
        return "; ".join(self._lines)


def check_url(receiver: Receiver, apprise: Apprise) -> None:
    """Raises ConfigError if apprise does not know the address."""
    _plugin(apprise.url.get_secret_value(), lambda: f"receivers: {receiver.name}: apprise.url")


def _plugin(url: str, where: Callable[[], str] = lambda: "apprise.url") -> Any:
    import apprise  # noqa: PLC0415  # a second, only for who uses it

    logging.getLogger("apprise").propagate = False  # its lines hold addresses; an attempt has them, masked
    plugin = apprise.Apprise.instantiate(url)
    if plugin is None:
        raise ConfigError(f"{where()}: apprise {apprise.__version__} does not know this address; see its documentation")
    return plugin


def _hosts_of(plugin: Any) -> Iterator[str]:
    """The hosts that the address itself names; in that of a service something else may stand in place of one."""
    if any("{host}" in template for template in plugin.templates):
        for name in ("smtp_host", "host"):
            host = urlsplit(f"//{getattr(plugin, name, None) or ''}").hostname
            if host:
                yield host


def _kind_of(delivery: Delivery) -> str:
    """The colour of the message: apprise's types."""
    entries = delivery.content["alerts"]
    if status_of(entries) == "resolved":
        return "success"
    severities = {entry["event"]["data"].get("labels", {}).get("severity") for entry in entries}
    return "warning" if severities <= {"warning", "info"} else "failure"
