"""A client of paho as we want it: quiet, with acknowledgements by hand and a session that stays. Connecting blocks.

Its own reconnecting and keep-alive are not used: the first does not tell sessions apart, the second closes connections
that we do not read on purpose.
"""

from __future__ import annotations

import ssl
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from pipeline.brokers.errors import BrokerError
from pipeline.brokers.settings import BrokerSettings

ONLY_IF_NEW = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB  # a reconnect does not bring all retained messages again
NO_RETAINED = SubscribeOptions.RETAIN_DO_NOT_SEND


def make_client(settings: BrokerSettings, client_id: str, *, is_lasting: bool = True) -> mqtt.Client:
    """A client that is not connected. `is_lasting`: with a session that outlives the connection. Raises BrokerError."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=mqtt.MQTTv5 if settings.is_v5 else mqtt.MQTTv311,
        clean_session=None if settings.is_v5 else not is_lasting,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = settings.connect_timeout_s
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password)
    if settings.tls is not None:
        client.tls_set_context(_ssl_context(settings))
    return client


def connect(client: mqtt.Client, settings: BrokerSettings, *, is_lasting: bool = True) -> None:
    """TCP and TLS, and the CONNECT put in the queue. Blocks up to the timeout for each address. Raises OSError."""
    if not settings.is_v5:
        client.connect(settings.host, settings.port, settings.keep_alive_s)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # half of paho has no types
    properties.ReceiveMaximum = settings.window
    properties.SessionExpiryInterval = min(settings.session_expiry_s, 0xFFFFFFFF) if is_lasting else 0
    client.connect(
        settings.host, settings.port, settings.keep_alive_s, clean_start=not is_lasting, properties=properties
    )


def subscribe(client: mqtt.Client, settings: BrokerSettings, filters: tuple[str, ...], retain: int) -> None:
    """Ask for these, with QoS 1: a message of QoS 2 comes so too, and is acknowledged once, by us."""
    if settings.is_v5:
        options = SubscribeOptions(qos=1, retainHandling=retain)
        client.subscribe([(topic, options) for topic in filters])
    else:
        client.subscribe([(topic, 1) for topic in filters])


class _Context(ssl.SSLContext):
    """Shakes hands while it wraps, since then a socket whose handshake fails is closed; paho would leave it open."""

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """As the base, within the timeout of the socket."""
        return super().wrap_socket(*arguments, **{**options, "do_handshake_on_connect": True})


def _ssl_context(settings: BrokerSettings) -> ssl.SSLContext:
    tls = settings.tls
    assert tls is not None
    try:
        context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        if tls.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in (tls.ca, tls.certificate, tls.key) if path is not None)
        raise BrokerError("tls", f"the TLS files of {settings.name} cannot be used: {files}: {error}") from error
    return context
