"""The section `brokers` of a streamgauge.yaml: MQTT brokers that the gateway subscribes to, beside the listener.

Refuses TLS files beside a url that is not mqtts://, and topics that are no filters, by name. A user and password in the
url become `username` and `password`, so that the url can be shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from pipeline.brokers.settings import BrokerSettings
from pipeline.config import names
from pipeline.config.log import LogTls
from pipeline.config.problems import Problem, refuse
from pipeline.config.quantities import Address, Duration
from pipeline.config.tables import Section
from pipeline.log.settings import Tls
from store.record import DEFAULT_ACCOUNT

PLAIN, SECURE = "mqtt", "mqtts"
DEFAULT_PORTS = {PLAIN: 1883, SECURE: 8883}
_URL = re.compile(r"(mqtts?)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?/?")
_MAX_TEXT_BYTES = 65_535  # MQTT, 1.5.3: the length of a text is two bytes
_MAX_KEEP_ALIVE = timedelta(seconds=65_535)  # MQTT, 3.1.2.10


def _check_filter(topic: str) -> str:
    levels = topic.split("/")
    is_well_formed = (
        0 < len(topic.encode()) <= _MAX_TEXT_BYTES
        and "\0" not in topic
        and all(level == "+" or "+" not in level for level in levels)
        and all("#" not in level for level in levels[:-1])
        and levels[-1].count("#") == (levels[-1] == "#")
    )
    if not is_well_formed:
        raise ValueError(f'"{topic}" is no topic filter; + stands for one whole level, and # for all that follow')
    if topic.startswith("$share/"):
        raise ValueError(f'"{topic}" is a shared subscription; write the filter alone, and the name as group')
    return topic


def _check_text(text: str) -> str:
    if not 0 < len(text.encode()) <= _MAX_TEXT_BYTES or "\0" in text:
        raise ValueError(f'"{text[:80]}" cannot be sent in MQTT; it has 1-{_MAX_TEXT_BYTES} bytes and no NUL')
    return text


def _check_group(group: str) -> str:
    """MQTT 5, 4.8.2: the name of a share has no / + #."""
    if not group or set(group) & set("/+#\0"):
        raise ValueError(f'"{group}" is no name of a group; it is not empty and has no / + #')
    return group


def _check_keep_alive(keep_alive: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= keep_alive <= _MAX_KEEP_ALIVE or keep_alive % timedelta(seconds=1):
        raise ValueError("it is whole seconds, 1s to 65535s")
    return keep_alive


def _as_version(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class Broker(Section):
    """A broker that we subscribe to."""

    url: str = Field(description="mqtt://host:port or mqtts://host:port; may hold user:password@")
    topics: tuple[Annotated[str, AfterValidator(_check_filter)], ...] = Field(
        min_length=1, description="topic filters, as MQTT has them"
    )
    account: Annotated[str, AfterValidator(names.check_account)] = Field(
        default=DEFAULT_ACCOUNT, description="of what is published there"
    )
    username: Annotated[str, AfterValidator(_check_text)] | None = None
    password: SecretStr | None = None
    version: Annotated[Literal["5", "3.1.1"], BeforeValidator(_as_version)] = Field(default="5", description="of MQTT")
    client_id: Annotated[str, AfterValidator(_check_text)] | None = Field(
        default=None, description="none: one for each gateway, kept in the data_dir"
    )
    group: Annotated[str, AfterValidator(_check_group)] | None = Field(
        default=None, description="several gateways of one group share the messages ($share)"
    )
    receive_maximum: int | None = Field(
        default=None, ge=1, le=65_535, description="messages without acknowledgement; none: 10000, and 20 for 3.1.1"
    )
    keep_alive: Annotated[Duration, AfterValidator(_check_keep_alive)] = timedelta(seconds=60)
    session_expiry: Duration = Field(default=timedelta(days=7), description="MQTT 5: how long it keeps what we missed")
    tls: LogTls | None = Field(default=None, description="mqtts: other files than the authorities of this system")

    @model_validator(mode="before")
    @classmethod
    def _take_credentials_out(cls, value: Any) -> Any:
        """What is in front of the @ must not stay in a url that is shown."""
        if not isinstance(value, dict) or not isinstance(value.get("url"), str):
            return value
        scheme, separator, rest = value["url"].partition("://")
        if not separator:  # wrong, and shown: without the credentials all the same
            scheme, rest = "", value["url"]
        credentials, at, place = rest.rpartition("@")
        if not at:
            return value
        username, colon, password = credentials.partition(":")
        of_url = {"username": unquote(username)} | ({"password": unquote(password)} if colon else {})
        return {**of_url, **value, "url": scheme + separator + place}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        found: list[Problem] = []
        match = _URL.fullmatch(self.url)
        if match is None or not 0 < int(match[4] or 1) <= 65_535:
            found.append(Problem(("url",), f'"{self.url}" is no broker; write mqtt://host:port or mqtts://host:port'))
        elif self.tls is not None and match[1] == PLAIN:
            found.append(Problem(("tls",), "means nothing to mqtt://; write mqtts://"))
        if self.password is not None and self.username is None:
            found.append(Problem(("password",), "there is no username that it belongs to"))
        found += [
            Problem(("topics", index), f'"{topic}" is listed before')
            for index, topic in enumerate(self.topics)
            if topic in self.topics[:index]
        ]
        refuse(found)
        return self

    @property
    def is_secure(self) -> bool:
        """Whether by TLS."""
        return self.url.startswith(SECURE + "://")

    @property
    def address(self) -> Address:
        """Where it is."""
        match = _URL.fullmatch(self.url)
        assert match is not None
        return Address(match[2] or match[3], int(match[4] or DEFAULT_PORTS[match[1]]))

    @property
    def settings(self) -> BrokerSettings:
        """As a subscription takes it."""
        tls = self.tls or LogTls()
        address = self.address
        return BrokerSettings(
            host=address.host,
            port=address.port,
            topics=self.topics,
            account=self.account,
            username=self.username,
            password=None if self.password is None else self.password.get_secret_value(),
            is_v5=self.version == "5",
            client_id=self.client_id,
            group=self.group,
            receive_maximum=self.receive_maximum,
            keep_alive_s=int(self.keep_alive.total_seconds()),
            session_expiry_s=int(self.session_expiry.total_seconds()),
            tls=Tls(tls.ca, tls.certificate, tls.key) if self.is_secure else None,
        )


def same_sessions(brokers: Sequence[Broker]) -> list[Problem]:
    """Entries that would throw each other out: one client id twice at one broker."""
    named = [(broker.url, broker.client_id) if broker.client_id else None for broker in brokers]
    return [
        Problem(("brokers", index, "client_id"), f'"{name[1]}" is that of an earlier entry for this broker')
        for index, name in enumerate(named)
        if name is not None and name in named[:index]
    ]


def warnings_of(brokers: Sequence[Broker]) -> tuple[str, ...]:
    """What is allowed but should be known."""
    return tuple(
        f"brokers[{index}]: {broker.address} is spoken to without TLS: the password travels in the clear"
        for index, broker in enumerate(brokers)
        if broker.password is not None and not broker.is_secure and not broker.address.is_loopback
    )
