"""What a subscription to one broker is told, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.log.settings import Tls

RECEIVE_MAXIMUM = 10_000  # unacknowledged messages: 100,000/s at 50 ms an acknowledgement, with half of it in reserve
SMALLEST_WINDOW = 20  # what Mosquitto lets wait where the client cannot say (MQTT 3.1.1)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """One broker, who we are to it, and what we want of it."""

    host: str
    port: int
    topics: tuple[str, ...]
    account: str = "default"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_v5: bool = True
    client_id: str | None = None  # None: one for each gateway process
    group: str | None = None
    receive_maximum: int | None = None
    keep_alive_s: int = 60
    session_expiry_s: int = 7 * 86_400
    tls: Tls | None = None
    connect_timeout_s: float = 10.0

    @property
    def name(self) -> str:
        """What it is called in logs and metrics; never a secret."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def window(self) -> int:
        """How many messages the broker sends ahead of our acknowledgements. MQTT 3.1.1 has no word for it, so that the
        smallest that is common is assumed.
        """
        return self.receive_maximum or (RECEIVE_MAXIMUM if self.is_v5 else SMALLEST_WINDOW)

    @property
    def filters(self) -> tuple[str, ...]:
        """What is subscribed to."""
        return self.topics if self.group is None else tuple(f"$share/{self.group}/{topic}" for topic in self.topics)
