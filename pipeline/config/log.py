"""The section `log` of a streamgauge.yaml: the embedded log, or Kafka.

A setting for the other kind of log is refused by name, because it would have no effect. A user and password in the url
become `sasl`, so that the url can be shown.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, unquote

from pydantic import AfterValidator, Field, SecretStr, model_validator

from pipeline.base.quantities import Duration, FilePath, SizeBytes
from pipeline.config.problems import refuse
from pipeline.config.tables import Section
from pipeline.log import topics
from pipeline.log.settings import KAFKA_SCHEME, LogSettings, Retention, Sasl, Tls
from store.values.yaml_text import Problem

GIB = 2**30
LOCAL = "local"
MAX_PARTITIONS = 1_000  # each makes batches smaller, and each worker keeps some state of each
_DEFAULTS = LogSettings("")

_OF_LOCAL = ("max_bytes", "min_free")
_OF_KAFKA = ("partitions", "replication", "retention", "prefix", "group", "tls", "sasl")
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,200}")  # Kafka: at most 249 characters for a topic's name
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,200}")


def _check_prefix(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f'"{prefix}" cannot begin a topic\'s name; it has at most 200 of A-Z a-z 0-9 . _ -')
    return prefix


def _check_group(group: str) -> str:
    if not _GROUP.fullmatch(group):
        raise ValueError(f'"{group}" is no name of a group here; it has 1-200 of A-Z a-z 0-9 . _ -')
    return group


class LogTls(Section):
    """TLS to the brokers of Kafka."""

    ca: FilePath | None = Field(default=None, description="PEM; none: the authorities of this system")
    certificate: FilePath | None = Field(default=None, description="PEM; ours, where the brokers want one")
    key: FilePath | None = Field(default=None, description="PEM; none: it is in the certificate's file")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.key is not None and self.certificate is None:
            refuse([Problem(("key",), "there is no certificate that it belongs to")])
        return self


class LogSasl(Section):
    """The credentials for the brokers of Kafka."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    username: str = Field(min_length=1)
    password: SecretStr


class Log(Section):
    """The durable log."""

    url: str = Field(default=LOCAL, description="local: the embedded log, in the data_dir; or kafka://host:port")
    max_bytes: SizeBytes = Field(default=8 * GIB, description="embedded: at this size the gateway stops reading")
    min_free: SizeBytes = Field(default=GIB, description="embedded: with less than this free on the disk, the same")
    partitions: int = Field(
        default=_DEFAULTS.partitions, ge=1, le=MAX_PARTITIONS, description="Kafka: of the readings, when they are made"
    )
    replication: int | None = Field(default=None, ge=1, le=16, description="Kafka: copies; none: the brokers' default")
    retention: Duration = Field(default=timedelta(days=7), description="Kafka: how long readings stay at most")
    prefix: Annotated[str, AfterValidator(_check_prefix)] = Field(
        default=_DEFAULTS.prefix, description="Kafka: what our topics' names begin with"
    )
    group: Annotated[str, AfterValidator(_check_group)] = Field(
        default=_DEFAULTS.group, description="Kafka: the workers' consumer group"
    )
    tls: LogTls | None = Field(default=None, description="Kafka: {} is TLS with the authorities of this system")
    sasl: LogSasl | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_url(cls, value: Any) -> Any:
        """A text is the url; a user and password in the url become `sasl`."""
        values = {"url": value} if isinstance(value, str) else value
        if not isinstance(values, dict) or not isinstance(values.get("url"), str):
            return values
        scheme, separator, rest = values["url"].partition("://")
        credentials, at, servers = rest.rpartition("@")
        if not at:
            return values
        username, _, password = credentials.partition(":")
        of_url = {"username": unquote(username), "password": unquote(password)}
        sasl = values.get("sasl") or {}
        return {
            **values,
            "url": scheme + separator + servers,
            "sasl": {**of_url, **sasl} if isinstance(sasl, dict) else sasl,
        }

    @model_validator(mode="after")
    def _fits_its_url(self) -> Self:
        found: list[Problem] = []
        if self.url != LOCAL and not self._names_brokers():
            found.append(Problem(("url",), f'"{self.url}" is no log; write local, or kafka://host:port[,host:port]'))
        else:
            other = _OF_LOCAL if self.is_kafka else _OF_KAFKA
            kind = "Kafka, which has its own limits" if self.is_kafka else "the embedded log; it is for kafka://"
            given = [key for key in other if getattr(self, key) != type(self).model_fields[key].default]
            found += [Problem((key,), f"means nothing to {kind}") for key in given]
        refuse(found)
        return self

    @property
    def is_kafka(self) -> bool:
        """Whether the log is Kafka."""
        return self.url.startswith(KAFKA_SCHEME)

    @property
    def whole_url(self) -> str:
        """The url with the user and password that were given in it, for the children of a command."""
        if self.sasl is None:
            return self.url
        credentials = f"{quote(self.sasl.username, safe='')}:{quote(self.sasl.password.get_secret_value(), safe='')}"
        return self.url.replace("://", f"://{credentials}@", 1)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about settings that are allowed."""
        if self.sasl is None or self.sasl.mechanism != "PLAIN" or self.tls is not None:
            return ()
        return (f"log.url: {self.url} has no log.tls: the password of PLAIN travels in the clear",)

    def _names_brokers(self) -> bool:
        servers = self.url.removeprefix(KAFKA_SCHEME).removesuffix("/").split(",")
        return self.is_kafka and all(_SERVER.fullmatch(server) for server in servers)

    def settings(self, folder: Path) -> LogSettings:
        """The settings for the log; `folder` is that of the embedded one."""
        if not self.is_kafka:
            return LogSettings(f"local://{folder}", self.max_bytes, self.min_free)
        readings = {topics.READINGS: Retention(self.retention.total_seconds())}
        tls, sasl = self.tls, self.sasl
        return LogSettings(
            self.url,
            partitions=self.partitions,
            replication=self.replication,
            retention={**_DEFAULTS.retention, **readings},
            prefix=self.prefix,
            group=self.group,
            tls=None if tls is None else Tls(tls.ca, tls.certificate, tls.key),
            sasl=None if sasl is None else Sasl(sasl.username, sasl.password.get_secret_value(), sasl.mechanism),
        )
