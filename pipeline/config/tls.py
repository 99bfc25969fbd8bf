"""The TLS sections of a streamgauge.yaml. Only paths: files are checked when they are loaded."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipeline.base.quantities import FilePath
from pipeline.config.problems import refuse
from pipeline.config.tables import Section
from store.values.yaml_text import Problem


class Tls(Section):
    """The certificate of a server."""

    certificate: FilePath = Field(description="PEM; the server's own first, then those up to its root")
    key: FilePath = Field(description="PEM, without a passphrase")


class ListenerTls(Section):
    """The same, and which client certificates are accepted."""

    certificate: FilePath = Field(description="PEM; the server's own first, then those up to its root")
    key: FilePath = Field(description="PEM, without a passphrase")
    client_ca: FilePath | None = Field(default=None, description="PEM: asks devices for certificates of these")
    require_client_certificate: bool = Field(default=False, description="true: devices without one are refused")

    @model_validator(mode="after")
    def _can_be_verified(self) -> Self:
        if self.require_client_certificate and self.client_ca is None:
            message = "is true, and there is no client_ca to verify certificates with; name its file"
            refuse([Problem(("require_client_certificate",), message)])
        return self
