"""Receivers that are posted to: webhooks, and Alertmanagers."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import orjson
from standardwebhooks import Webhook

from pipeline.alerting.archive.delivery import Delivery
from pipeline.alerting.receivers.notifier import Notice, Request
from pipeline.alerting.receivers.payload import payload_of
from pipeline.alerting.receivers.post import TIMEOUT_S, post
from pipeline.alerting.receivers.retry_policy import Attempt
from pipeline.alerting.receivers.signing import headers_of
from pipeline.alerting.receivers.transport import CheckedTransport, Resolve
from pipeline.base.tls.trust import trusting
from pipeline.config.receivers import Endpoint, Receiver
from store.values.urls import scrubbed

API = "/api/v2/alerts"


class HttpNotifier:
    """Posts to one address."""

    def __init__(
        self,
        receiver: Receiver,
        endpoint: Endpoint,
        *,
        wall_ns: Callable[[], int],
        ssl_context: ssl.SSLContext,
        resolve: Resolve,
    ) -> None:
        self._receiver = receiver
        self._wall_ns = wall_ns
        secrets = () if receiver.webhook is None else receiver.webhook.secret
        self._signers = [Webhook(secret.get_secret_value()) for secret in secrets]
        self._url = endpoint.url.get_secret_value()
        if receiver.alertmanager is not None:
            self._url = f"{self._url.rstrip('/')}{API}"
        self._transport = CheckedTransport(
            allow_private=endpoint.allow_private, ssl_context=ssl_context, resolve=resolve
        )
        self._client = httpx.AsyncClient(
            transport=self._transport,
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none are kept: requests are independent
        )

    async def attempt(self, delivery: Delivery) -> Attempt:
        """See Notifier."""
        payload = payload_of(self._receiver, delivery.content)
        return await self.post(delivery.id, payload.body, payload.content_type)

    async def tell(self, notice: Notice) -> Attempt:
        """See Notifier. For an Alertmanager it is an alert, which ends there by itself."""
        if self._receiver.alertmanager is not None:
            alert = {
                "labels": {"alertname": notice.title, **notice.attributes},
                "annotations": {"summary": notice.text},
            }
            return await self.post(notice.id, orjson.dumps([alert]), "application/json")
        return await self.post(notice.id, notice.body, notice.content_type, notice.headers)

    async def post(
        self, message_id: str, body: bytes, content_type: str, more_headers: Mapping[str, str] | None = None
    ) -> Attempt:
        """The result of posting this, signed."""
        headers = headers_of(message_id, body, self._signers, self._wall_ns(), content_type)
        return await post(self._client, self._url, headers | dict(more_headers or {}), body)

    def request(self, delivery: Delivery) -> Request:
        """See Notifier. The signature is no secret: it is of this body alone."""
        payload = payload_of(self._receiver, delivery.content)
        headers = headers_of(delivery.id, payload.body, self._signers, self._wall_ns(), payload.content_type)
        return Request(f"POST {self._receiver.shown}", headers, payload.body.decode())

    async def trouble(self) -> str | None:
        """See Notifier: the address does not resolve, or not to a permitted one."""
        try:
            await self._transport.addresses(httpx.URL(self._url))
        except (httpx.ConnectError, httpx.InvalidURL) as error:
            return scrubbed(str(error), self._url)
        return None

    async def close(self) -> None:
        """See Notifier."""
        await self._client.aclose()


def trust_of(receiver: Receiver, endpoint: Endpoint) -> ssl.SSLContext:
    """The TLS context with the trusted CAs of the receiver. Raises ConfigError."""
    ca = endpoint.ca
    return _public_trust() if ca is None else trusting(ca, f"receivers: {receiver.name}: {receiver.kind}.ca")


@cache
def _public_trust() -> ssl.SSLContext:
    """One for all receivers: to read all the CAs takes 25 ms."""
    return httpx.create_ssl_context()
