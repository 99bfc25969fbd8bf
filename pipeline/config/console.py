"""The section `console`: where browsers find the console, and which API it asks."""

from __future__ import annotations

from pydantic import Field, field_validator

from pipeline.base.quantities import Address, HostPort
from pipeline.config.tables import Section

SCHEMES = ("http://", "https://")


class Console(Section):
    """The pages for people, served by a process of their own."""

    address: HostPort | None = Field(default=Address("127.0.0.1", 8081), description="null: there is no console")
    url: str | None = Field(default=None, description="where browsers find it, if not at its address")
    api: str | None = Field(default=None, description="the HTTP API that it asks, if not that of http.address")

    @field_validator("url", "api")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(SCHEMES):
            raise ValueError(f'"{url}" is not a URL; write http://host:port or https://host:port')
        return None if url is None else url.rstrip("/")
