"""The section `peers`: how workers that share a log reach each other."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from pipeline.base.quantities import FilePath, HostPort
from pipeline.config.tables import Section

LEAST_TOKEN = 16  # characters: it gives access to every account


def _long_enough(token: SecretStr) -> SecretStr:
    count = len(token.get_secret_value())
    if count < LEAST_TOKEN:
        raise ValueError(f"it has {count} characters; a token that opens every account has at least {LEAST_TOKEN}")
    return token


class PeerSettings(Section):
    """The address of this worker for others, and how it authenticates them."""

    advertise: HostPort | None = Field(
        default=None, description="where the others reach this worker's HTTP; by default http.address"
    )
    token: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None, description="the same for all workers; needed where http has tokens"
    )
    ca: FilePath | None = Field(default=None, description="PEM: who signed the others' certificates")
