"""The section `brokers` of a streamgauge.yaml: brokers to subscribe to, with credentials and topics.

A password is never shown: not in messages, by `config show` or in a repr, nor is the user part of a url.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
    model_validator,
)

from pipeline.base.mqtt_filters import have_common, overlapping, without_covered
from pipeline.base.quantities import Address, Duration, FilePath
from pipeline.config import names
from pipeline.config.problems import refuse
from pipeline.config.tables import Section
from store.names import DEFAULT_ACCOUNT
from store.values.urls import MASK
from store.values.yaml_text import Problem

_URL = re.compile(
    r"(?P<scheme>mqtts?)://(?:(?P<user>.*)@)?(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?/?",
    re.DOTALL,
)
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MAX_TEXT_BYTES = 65_535  # MQTT 5, 1.5.4
_MAX_KEEP_ALIVE = timedelta(seconds=65_535)  # MQTT 5, 3.1.2.10
_MAX_SESSION_EXPIRY = timedelta(seconds=0xFFFFFFFE)  # 3.1.2.11.2: one second more is for ever
DEFAULT_WINDOW = {"5": 10_000, "3.1.1": 20}  # 3.1.1 cannot ask for one; 20 is what Mosquitto allows by default


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """The address of a broker, with the credentials in the url, which its text masks."""

    is_secure: bool
    address: Address
    username: str | None = field(default=None, repr=False)
    password: SecretStr | None = field(default=None, repr=False)

    def __str__(self) -> str:
        has_user = self.username is not None or self.password is not None
        return f"{'mqtts' if self.is_secure else 'mqtt'}://{MASK + '@' if has_user else ''}{self.address}"


def parse_broker_url(value: object) -> BrokerUrl:
    """The url in `value`. Raises ValueError, without `value` in the message, because it may contain a password."""
    if isinstance(value, BrokerUrl):
        return value
    match = _URL.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match["port"] or 1) <= 65_535:
        raise ValueError(
            "it is not a broker's address; write mqtt://host:port, or mqtts:// for TLS, with user:password@ before the "
            "host where the broker wants them"
        )
    username, is_followed, password = (match["user"] or "").partition(":")
    address = Address(match["six"] or match["host"], int(match["port"] or _PORTS[match["scheme"]]))
    return BrokerUrl(
        match["scheme"] == "mqtts",
        address,
        unquote(username) or None,
        SecretStr(unquote(password)) if is_followed else None,
    )


def check_filter(text: str) -> str:
    """`text`, if it is an MQTT topic filter (MQTT 5, 4.7) and not a shared subscription. Raises ValueError."""
    if text.startswith("$share/"):
        raise ValueError(f'"{text}" is a shared subscription; write its group as group, and the filter alone here')
    levels = text.split("/")
    is_wild_wrongly = any(("+" in level or "#" in level) and len(level) > 1 for level in levels) or "#" in levels[:-1]
    if not text or "\0" in text or is_wild_wrongly or len(text.encode()) > _MAX_TEXT_BYTES:
        raise ValueError(
            f'"{text[:80]}" is not a topic filter; + stands for one level and # for the rest, as in greenhouse/+/gh-1/#'
        )
    return text


def _check_group(text: str) -> str:
    if not text or set(text) & set("/+#\0"):
        raise ValueError(f'"{text}" is not the name of a group; it has at least one character, and none of / + #')
    return text


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Url = Annotated[
    InstanceOf[BrokerUrl],
    BeforeValidator(parse_broker_url),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["mqtts://ingest:${BROKER_PASSWORD}@broker.example:8883"]}),
]
TopicFilter = Annotated[str, AfterValidator(check_filter)]


Retained = Literal["latest", "ignore", "take"]
"""Which retained messages are stored: those that differ from the last message of their MQTT topic, none, all."""


class BrokerTls(Section):
    """The TLS files for a connection to a broker."""

    ca: FilePath | None = Field(default=None, description="PEM file of trusted authorities; none: those of the system")
    certificate: FilePath | None = Field(default=None, description="PEM file of our own certificate")
    key: FilePath | None = Field(default=None, description="PEM file of its key, without a passphrase")

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            refuse([Problem((missing,), "is required: a certificate and its key go together")])
        return self


class Broker(Section):
    """A broker to subscribe to."""

    url: Url = Field(description="mqtt:// or, for TLS, mqtts://")
    topics: tuple[TopicFilter, ...] = Field(min_length=1, description="MQTT topic filters")
    account: Annotated[str, AfterValidator(names.check_account)] = DEFAULT_ACCOUNT
    username: str | None = Field(default=None, min_length=1, description="instead of one in the url")
    password: SecretStr | None = Field(default=None, description="instead of one in the url, taken as it is")
    version: Annotated[Literal["5", "3.1.1"], BeforeValidator(_as_text)] = Field(default="5", description="of MQTT")
    client_id: str | None = Field(
        default=None, min_length=1, max_length=_MAX_TEXT_BYTES, description="none: one of this data_dir's own"
    )
    group: Annotated[str, AfterValidator(_check_group)] | None = Field(
        default=None, description="of a shared subscription: gateways in it divide the messages"
    )
    receive_maximum: int | None = Field(
        default=None, ge=1, le=65_535, description="unacknowledged messages; none: 10000, and 20 with version 3.1.1"
    )
    keep_alive: Duration = timedelta(seconds=60)
    session_expiry: Duration = Field(
        default=timedelta(days=7), description="how long the broker keeps messages for us while we are away"
    )
    retained: Retained = Field(
        default="latest",
        description="messages; latest: stored if they are new, ignore: never, take: always",
    )
    tls: BrokerTls | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = []
        if self.tls is not None and not self.url.is_secure:
            found.append(Problem(("tls",), "is for a url that begins with mqtts://"))
        if self.username is not None and self.url.username is not None:
            found.append(Problem(("username",), "is in the url too; write it once"))
        if self.password is not None and self.url.password is not None:
            found.append(Problem(("password",), "is in the url too; write it once"))
        username, password = self.credentials
        if password is not None and username is None:
            found.append(Problem(("username",), "is required where there is a password"))
        if not timedelta(seconds=5) <= self.keep_alive <= _MAX_KEEP_ALIVE:
            found.append(Problem(("keep_alive",), "is out of range; 5s to 65535s"))
        if not timedelta(seconds=1) <= self.session_expiry <= _MAX_SESSION_EXPIRY:
            found.append(Problem(("session_expiry",), "is out of range; 1s to 49710d"))
        found += [
            Problem(("topics", index), f'"{topic}" is listed before')
            for index, topic in enumerate(self.topics)
            if topic in self.topics[:index]
        ]
        refuse(found)
        return self

    @property
    def label(self) -> str:
        """Its name in metrics and log lines: host:port."""
        return str(self.url.address)

    @property
    def credentials(self) -> tuple[str | None, str | None]:
        """User name and password, not masked."""
        password = self.password if self.password is not None else self.url.password
        username = self.username if self.username is not None else self.url.username
        return username, None if password is None else password.get_secret_value()

    @property
    def window(self) -> int:
        """The largest number of unacknowledged messages that the broker sends."""
        return self.receive_maximum or DEFAULT_WINDOW[self.version]

    @property
    def filters(self) -> tuple[str, ...]:
        """The subscribed filters, with the group: `topics` without those that another one covers."""
        return tuple(self.group_prefix + topic for topic in without_covered(self.topics))

    @property
    def group_prefix(self) -> str:
        """The prefix of a filter in a shared subscription."""
        return "" if self.group is None else f"$share/{self.group}/"

    @property
    def overlaps(self) -> list[tuple[str, str]]:
        """The pairs of topics that match common messages, if neither covers the other."""
        return overlapping(without_covered(self.topics))


def _is_list(value: object) -> object:
    # before pydantic shows the value, which may hold a password
    if not isinstance(value, list | tuple):
        raise ValueError("it is a list of brokers, each with its url and topics")  # noqa: TRY004  pydantic's contract
    return value


Brokers = Annotated[tuple[Broker, ...], BeforeValidator(_is_list)]


def check_brokers(brokers: Sequence[Broker]) -> list[Problem]:
    """Problems of the brokers together: two with one client id would end each other's connections again and again."""
    ids = [(broker.label, broker.client_id) for broker in brokers]
    return [
        Problem(("brokers", index, "client_id"), f'"{client_id}" is a client of {label} before')
        for index, (label, client_id) in enumerate(ids)
        if client_id is not None and ids.index((label, client_id)) < index
    ]


def broker_warnings(brokers: Sequence[Broker]) -> tuple[str, ...]:
    """Warnings about settings that are allowed."""
    found = [
        f"brokers[{index}].url: {broker.url} has no TLS: the password travels in the clear; mqtts:// has it"
        for index, broker in enumerate(brokers)
        if broker.credentials[1] is not None and not broker.url.is_secure and not broker.url.address.is_loopback
    ]
    for index, broker in enumerate(brokers):
        found += _told_of_copies(index, broker)
        found += [each for at in range(index) for each in _told_of_twice(brokers, at, index)]
    return tuple(found)


def _told_of_copies(index: int, broker: Broker) -> Iterator[str]:
    if broker.version == "3.1.1":
        for one, other in broker.overlaps:
            yield (
                f"brokers[{index}].topics: {one} and {other} match the same messages: with MQTT 3.1.1 a broker may "
                "send such a message twice, and does not say so; use version: 5, or filters that have nothing in common"
            )


def _told_of_twice(brokers: Sequence[Broker], at: int, index: int) -> Iterator[str]:
    first, second = brokers[at], brokers[index]
    if (first.label, first.account) != (second.label, second.account):
        return
    for one in first.topics:
        for other in second.topics:
            is_divided = first.group is not None and (first.group, one) == (second.group, other)
            if have_common(one, other) and not is_divided:
                yield (
                    f"brokers[{index}].topics: {other} and {one} of brokers[{at}] match the same messages of the same "
                    f"broker, for the same account: each is stored twice; write both in one entry"
                )
                return
