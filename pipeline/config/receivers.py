"""The section `receivers`: who is told of alerts, and by what. Addresses are secrets: who knows one may use it.

Everywhere, also by `config show`, they are shown without their secret parts (`store.values.urls`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)

from pipeline.base.mustache import check_template
from pipeline.base.quantities import FilePath
from pipeline.config import names
from pipeline.config.brokers import Broker
from pipeline.config.problems import refuse
from pipeline.config.tables import Section
from store.values.urls import scheme_alone, shown_url
from store.values.yaml_text import Problem

KINDS = ("webhook", "alertmanager", "mqtt", "apprise")
# Whatever address stands in them is asked by HTTP, and not by us: what is not public could not be refused for certain.
REFUSED_SCHEMES = frozenset(["json", "jsons", "xml", "xmls", "form", "forms", "apprise", "apprises"])
MQTT_SCHEMES = frozenset(("mqtt", "mqtts"))
_SCHEME = re.compile(r"([a-z0-9]+)://.+", re.DOTALL)

TemplateText = Annotated[str, AfterValidator(check_template)]


class Endpoint(Section):
    """An address that is posted to."""

    url: SecretStr = Field(description="https:// or http://")
    allow_private: bool = Field(default=False, description="whether the address may be loopback or private")
    ca: FilePath | None = Field(default=None, description="PEM: trust only these authorities")

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            is_http = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_http = False
        if not is_http:
            raise ValueError("it is not an address to post to; write https://host/path (or http://)")
        return url

    @field_serializer("url", when_used="json")
    def _masked(self, url: SecretStr) -> str:
        return shown_url(url.get_secret_value())


def _as_secrets(value: object) -> object:
    return () if value is None else (value,) if isinstance(value, str | SecretStr) else value


def _has_known_form(secret: SecretStr) -> SecretStr:
    """Standard Webhooks, "Signature scheme": symmetric keys are whsec_ and 24-64 bytes in base64."""
    prefix, _, encoded = secret.get_secret_value().partition("_")
    try:
        key = base64.b64decode(encoded, validate=True) if prefix == "whsec" else b""
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("it has no form known here; write whsec_ and the base64 of 24-64 random bytes")
    return secret


Secrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_has_known_form)], ...],
    BeforeValidator(_as_secrets),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Webhook(Endpoint):
    """The endpoint to which alerts are posted."""

    secret: Secrets = Field(
        default=(),
        max_length=4,
        description="whsec_ + base64, as Standard Webhooks: signs what is posted; a list while keys are changed",
    )
    format: Literal["streamgauge", "alertmanager"] = Field(
        default="streamgauge", description="of the body; alertmanager: version 4 of its webhooks"
    )


class Mqtt(Section):
    """Alerts are published to a broker of `brokers`."""

    broker: str = Field(description="the host:port of an entry of brokers")
    topic: TemplateText = Field(description="the MQTT topic; a template, as streamgauge/alerts/{{account}}/{{rule}}")
    retain: bool = Field(default=False, description="whether the broker keeps the last message of the MQTT topic")


class Apprise(Section):
    """Whatever `apprise` reaches: e-mail, chats, telephones."""

    url: SecretStr = Field(description="as apprise writes it, e.g. mailto:// tgram:// pagerduty:// ntfys://")
    allow_private: bool = Field(default=False, description="whether a host in it may be loopback or private")

    @field_validator("url")
    @classmethod
    def _is_of_a_service(cls, url: SecretStr) -> SecretStr:
        found = _SCHEME.fullmatch(url.get_secret_value())
        if found is None:
            raise ValueError("it is not an address of apprise; write scheme://…, as in ntfys://ntfy.sh/topic")
        if found[1] in MQTT_SCHEMES:
            raise ValueError(f"{found[1]}:// is not taken; write mqtt: {{broker: …, topic: …}}")
        if found[1] in REFUSED_SCHEMES:
            raise ValueError(
                f"{found[1]}:// posts to any address, without the check of private ones; write webhook: {{url: …}}, "
                "with a template if it wants another body"
            )
        return url

    @field_serializer("url", when_used="json")
    def _masked(self, url: SecretStr) -> str:
        return scheme_alone(url.get_secret_value())


class Template(Section):
    """What is sent, in place of the usual."""

    body: TemplateText = Field(description="a Mustache template")
    title: TemplateText | None = Field(default=None, description="of what has one, such as an e-mail")
    content_type: str = Field(
        default="application/json", min_length=1, description="of the body, and how it is escaped"
    )


class Receiver(Section):
    """A receiver of alerts."""

    name: str = Field(min_length=1)
    account: Annotated[str, AfterValidator(names.check_account)] | None = Field(
        default=None, description="the only account of which it hears; none: all"
    )
    webhook: Webhook | None = Field(default=None, description="posts to an endpoint of yours")
    alertmanager: Endpoint | None = Field(default=None, description="posts to an Alertmanager; url without /api/v2")
    mqtt: Mqtt | None = Field(default=None, description="publishes to one of brokers")
    apprise: Apprise | None = Field(default=None, description="e-mail, chats and more")
    template: Template | None = Field(default=None, description="what is sent, in place of the usual")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            told = f"{' and '.join(given)} stand in one" if given else "has no address"
            refuse([Problem((), f'receiver "{self.name}": {told}; write one of {", ".join(KINDS)}')])
        if self.template is not None and self.alertmanager is not None:
            refuse([Problem(("template",), "is not for an Alertmanager, which takes its own form alone")])
        return self

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def endpoint(self) -> Endpoint | None:
        """The address that is posted to; None for other kinds."""
        return self.webhook or self.alertmanager

    @property
    def shown(self) -> str:
        """The address without secrets."""
        if self.mqtt is not None:
            return f"{self.mqtt.broker} {self.mqtt.topic}"
        if self.apprise is not None:
            return scheme_alone(self.apprise.url.get_secret_value())
        assert self.endpoint is not None
        return shown_url(self.endpoint.url.get_secret_value())


def receiver_problems(receivers: Sequence[Receiver], brokers: Sequence[Broker]) -> list[Problem]:
    """Receivers of brokers that are not listed."""
    labels = [broker.label for broker in brokers]
    return [
        Problem(
            ("receivers", index, "mqtt", "broker"),
            f'"{receiver.mqtt.broker}" is not the host:port of one of brokers; listed: {", ".join(labels) or "none"}',
        )
        for index, receiver in enumerate(receivers)
        if receiver.mqtt is not None and receiver.mqtt.broker not in labels
    ]
