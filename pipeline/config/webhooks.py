"""The receivers of alerts. The URL of a webhook is a secret: whoever knows it may be able to post to it.

Everywhere, also by `config show`, it is shown without its secret parts (`store.values.urls`).
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_serializer, field_validator

from pipeline.base.quantities import FilePath
from pipeline.config import names
from pipeline.config.tables import Section
from store.values.urls import shown_url


class Webhook(Section):
    """The endpoint to which alerts are posted."""

    url: SecretStr = Field(description="https:// or http://")
    secret: SecretStr | None = Field(
        default=None, description="whsec_ + base64, as Standard Webhooks: signs what is posted"
    )
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
            raise ValueError("it is not a webhook's address; write https://host/path (or http://)")
        return url

    @field_serializer("url", when_used="json")
    def _masked(self, url: SecretStr) -> str:
        return shown_url(url.get_secret_value())

    @field_validator("secret")
    @classmethod
    def _has_known_form(cls, secret: SecretStr | None) -> SecretStr | None:
        """Standard Webhooks, "Signature scheme": symmetric keys are whsec_ and 24-64 bytes in base64."""
        if secret is not None:
            prefix, _, encoded = secret.get_secret_value().partition("_")
            try:
                key = base64.b64decode(encoded, validate=True) if prefix == "whsec" else b""
            except binascii.Error:
                key = b""
            if not 24 <= len(key) <= 64:
                raise ValueError("it has no form known here; write whsec_ and the base64 of 24-64 random bytes")
        return secret


class Receiver(Section):
    """A receiver of alerts."""

    name: str = Field(min_length=1)
    account: Annotated[str, AfterValidator(names.check_account)] | None = Field(
        default=None, description="the only account of which it hears; none: all"
    )
    webhook: Webhook
