"""The settings of the listener, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.base.tls.files import TlsFiles
from pipeline.gateway.mqtt_to_readings import BatchSettings


@dataclass(frozen=True, slots=True)
class User:
    """Credentials, and the account of the messages published with them."""

    username: str
    password: str | None = field(repr=False)  # None: a client certificate with this common name is required
    account: str


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """The address, the users, and the limits of a connection. Without users everyone may connect."""

    host: str = "127.0.0.1"
    port: int = 1883  # 0: any free one
    users: tuple[User, ...] = ()
    tls: TlsFiles | None = None
    batch: BatchSettings = field(default_factory=BatchSettings)
    most_connections: int | None = None  # None: as many as the process may have open files
    most_pending: int = 10_000  # connections without an accepted CONNECT
    most_pending_per_address: int = 5_000  # of these; more than `backlog`, which may be accepted at one moment
    connect_timeout_s: float = 10.0  # for the handshake of TLS, and from then on for the CONNECT
    max_packet_bytes: int = 256 * 1024
    max_topic_bytes: int = 2_048  # the maximum of a dimension value in Timestream; limits the memory of topic aliases
    receive_maximum: int = 4_096  # MQTT 5: unacknowledged messages per connection: 100,000/s at 40 ms a PUBACK
    topic_alias_maximum: int = 32  # MQTT 5, per connection
    backlog: int = 4_096  # Linux limits it to net.core.somaxconn, 4,096 by default
    message_rates: Callable[[str], float | None] | None = None  # messages a second of an account; None: no quotas
    busy_after_s: float = 1.0  # how long the log may be slow before new connections are refused
    stop_timeout_s: float = 10.0  # how long a graceful end waits for the log
