"""Whether a broker can be subscribed to, and if not, what is wrong and how to mend it: for `streamgauge doctor`.

Under a client id that is thrown away, and without the group: no session of ours is touched, and no message of the group
is taken from a gateway.
"""

from __future__ import annotations

import secrets
import select
import time
from dataclasses import dataclass, replace
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.brokers import causes, paho_client
from pipeline.brokers.errors import BrokerError
from pipeline.brokers.settings import BrokerSettings


@dataclass(frozen=True, slots=True)
class Reachability:
    """What was found. `problem` and `remedy` are empty if all is well."""

    broker: str
    reason: str = "ok"  # or one of `BrokerError`
    problem: str = ""
    remedy: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it can be subscribed to."""
        return self.reason == "ok"


def check_broker(settings: BrokerSettings, timeout_s: float = 5.0) -> Reachability:
    """Connect, subscribe, leave. Blocks up to `timeout_s` for each of name, connection, answers. Never raises for what
    a broker or the network does.
    """
    settings = replace(settings, connect_timeout_s=timeout_s, group=None)
    try:
        _Check(settings).run()
    except BrokerError as error:
        return Reachability(settings.name, error.reason, error.detail, error.remedy)
    return Reachability(settings.name)


class _Check:
    """One connection, driven by hand."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._error: BrokerError | None = None
        self._is_done = False

    def run(self) -> None:
        """Raises BrokerError if it cannot be subscribed to."""
        client = paho_client.make_client(self._settings, f"sgdoctor{secrets.token_hex(6)}", is_lasting=False)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        try:
            paho_client.connect(client, self._settings, is_lasting=False)
            self._wait(client)
        except Exception as error:  # whatever paho's decoder raises about bytes that are not MQTT too
            raise causes.cause_of(self._settings, error) from error
        finally:
            client.on_disconnect = None
            client.disconnect()
            client.loop_write()

    def _wait(self, client: mqtt.Client) -> None:
        deadline_s = time.monotonic() + self._settings.connect_timeout_s
        while not self._is_done and self._error is None:
            sock: Any = client.socket()
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or sock is None:
                raise causes.no_answer(self._settings)
            if client.want_write():
                client.loop_write()
            has_bytes = hasattr(sock, "pending") and sock.pending()
            if has_bytes or select.select([sock], [], [], min(left_s, 0.1))[0]:
                client.loop_read()
        if self._error is not None:
            raise self._error

    def _on_connect(self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _more: object) -> None:
        if code.is_failure:
            self._error = causes.refused_connect(self._settings, code)
        else:
            paho_client.subscribe(client, self._settings, self._settings.topics, paho_client.NO_RETAINED)

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _more: object
    ) -> None:
        for topic, code in zip(self._settings.topics, codes, strict=False):
            if not causes.is_granted(code):
                self._error = causes.refused_filter(self._settings, topic, code)
        self._is_done = True

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, flags: mqtt.DisconnectFlags, code: ReasonCode, _more: object
    ) -> None:
        if self._error is None:
            by_broker = flags.is_disconnect_packet_from_server
            self._error = causes.lost(self._settings, code, by_broker=by_broker)
