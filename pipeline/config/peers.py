"""The section `peers`: how workers that share a log reach each other."""

from __future__ import annotations

from pydantic import Field, SecretStr

from pipeline.config.quantities import HostPort
from pipeline.config.tables import Section


class PeerSettings(Section):
    """What a worker on a log with several workers says of itself, and how it knows the others."""

    advertise: HostPort | None = Field(
        default=None, description="where the others reach this worker's HTTP; by default http.address"
    )
    token: SecretStr | None = Field(
        default=None, min_length=16, description="the same for all workers; needed where http has tokens"
    )
    ca: str | None = Field(default=None, description="file: who signed the others' certificates, where http has tls")
