"""The whole of a streamgauge.yaml as values: typed, frozen, checked when made, secrets masked.

`Config()` is the configuration of no file at all. Nothing here reads a file or the environment (`pipeline.config.load`
does). What only a later version will do is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from pipeline.config import names
from pipeline.config.brokers import Brokers, broker_warnings, check_brokers
from pipeline.config.problems import Problem, refuse
from pipeline.config.quantities import Address, HostPort, SizeBytes
from pipeline.config.tables import DEFAULT_TABLE, Section, Table
from pipeline.layout import Layout
from store.catalog import TableSettings
from store.record import DEFAULT_ACCOUNT

AccountName = Annotated[str, AfterValidator(names.check_account)]

GIB = 2**30
_MAX_USERNAME_BYTES = 65_535  # MQTT 3.1.1, section 3.1.3.4


def _non_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("it is empty; a secret has at least one character")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_non_empty)]


def _repeated(values: Sequence[str], section: str, key: str, *, is_secret: bool = False) -> list[Problem]:
    return [
        Problem((section, index, key), "it is listed before" if is_secret else f'"{value}" is listed before')
        for index, value in enumerate(values)
        if value in values[:index]
    ]


class User(Section):
    """Who may publish to the listener, and as which account."""

    username: str = Field(min_length=1, max_length=_MAX_USERNAME_BYTES)
    password: Secret
    account: AccountName = DEFAULT_ACCOUNT


class Listener(Section):
    """Where devices connect."""

    address: HostPort = Address("127.0.0.1", 1883)
    users: tuple[User, ...] = Field(default=(), description="none: anonymous, on loopback only")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        found = _repeated([user.username for user in self.users], "users", "username")
        if not self.users and not self.address.is_loopback:
            message = (
                f"{self.address} can be reached from other machines; give the listener users, or a loopback address"
            )
            found.append(Problem(("address",), message))
        refuse(found)
        return self


class Log(Section):
    """The durable log."""

    url: str = Field(default="local", description="local: the embedded log, in the data_dir")
    max_bytes: SizeBytes = Field(default=8 * GIB, description="at this size the gateway takes in no more")
    min_free: SizeBytes = Field(default=GIB, description="with less than this free on the disk, the same")

    @model_validator(mode="before")
    @classmethod
    def _bare_url(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _is_embedded(cls, url: str) -> str:
        if url != "local":
            raise ValueError(f'"{url}" is not supported by this version, whose log is embedded; write local')
        return url


class Magnetic(Section):
    """The magnetic tier."""

    url: str | None = Field(default=None, description="a local folder; by default magnetic in the data_dir")

    @field_validator("url")
    @classmethod
    def _is_folder(cls, url: str | None) -> str | None:
        if url is not None and (not url or "://" in url):
            raise ValueError(f'"{url}" is not supported by this version; write the path of a local folder')
        return url


class Token(Section):
    """Who may ask over HTTP, and which account they see."""

    token: Secret
    account: AccountName = DEFAULT_ACCOUNT


class Http(Section):
    """Where questions are answered."""

    address: HostPort = Address("127.0.0.1", 8080)
    tokens: tuple[Token, ...] = Field(default=(), description="none: loopback only")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        found = _repeated([token.token.get_secret_value() for token in self.tokens], "tokens", "token", is_secret=True)
        if not self.tokens and not self.address.is_loopback:
            message = f"{self.address} can be reached from other machines; give http tokens, or a loopback address"
            found.append(Problem(("address",), message))
        refuse(found)
        return self

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The address as sockets take it."""
        return self.address.host, self.address.port

    def accounts_by_token(self) -> dict[str, str]:
        """The account of each token, in the clear."""
        return {token.token.get_secret_value(): token.account for token in self.tokens}


class Webhook(Section):
    """Where alerts are posted."""

    url: str
    secret: SecretStr | None = Field(
        default=None, description="whsec_ + base64, as Standard Webhooks: signs what is posted"
    )
    allow_private: bool = Field(default=False, description="whether the address may be loopback or private")

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            is_http = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_http = False
        if not is_http:
            raise ValueError("it is not a webhook's address; write https://host/path (or http://)")
        return url

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
    """Who hears of alerts."""

    name: str = Field(min_length=1)
    webhook: Webhook


class Config(Section):
    """Everything a streamgauge.yaml says."""

    data_dir: Annotated[Path, AfterValidator(Path.absolute)] = Field(default=Path("data"), validate_default=True)
    listener: Listener = Listener()
    brokers: Brokers = Field(default=(), description="whom to subscribe to")
    log: Log = Log()
    magnetic: Magnetic = Magnetic()
    http: Http = Http()
    memory_limit: SizeBytes = Field(default=GIB, description="of the memory tier")
    publish_records: Literal[False] = Field(default=False, description="true is not supported by this version")
    tables: tuple[Table, ...] = Field(default=(DEFAULT_TABLE,), description="the first whose template matches")
    rules: tuple[str, ...] = Field(default=(), description="files, with * and ? and **")
    receivers: tuple[Receiver, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        none = [] if self.tables else [Problem(("tables",), "is empty; leave tables out for the default, or list one")]
        refuse(
            none
            + _repeated([table.name for table in self.tables], "tables", "name")
            + _repeated([receiver.name for receiver in self.receivers], "receivers", "name")
            + check_brokers(self.brokers)
        )
        return self

    @property
    def layout(self) -> Layout:
        """Where things are in the data_dir."""
        return Layout(self.data_dir)

    @property
    def log_url(self) -> str:
        """The log's URL with its folder: local:///absolute/folder."""
        return f"local://{self.layout.log}"

    @property
    def magnetic_url(self) -> str:
        """The absolute folder of the magnetic tier."""
        return str(self.layout.magnetic if self.magnetic.url is None else Path(self.magnetic.url).absolute())

    @property
    def rule_files(self) -> list[Path]:
        """The rule files there are now, each once, pattern by pattern in order of name. A name without * ? [ is in it
        whether or not the file exists, so that whoever loads it says that it is missing.
        """
        found: dict[Path, None] = {}
        for pattern in self.rules:
            # Path.glob takes no absolute patterns
            matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
            found.update((Path(match).absolute(), None) for match in matches)
        return list(found)

    def templates(self) -> dict[tuple[str, str], TableSettings]:
        """The settings of every table here, by (database, table)."""
        return {table.database_and_table: table.settings for table in self.tables}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed but should be known: one sentence each, for the log at start."""
        if self.listener.address.is_loopback:
            return broker_warnings(self.brokers)
        where = f"listener.address: {self.listener.address}"
        return (
            f"{where} can be reached from other machines, and this version has no TLS: passwords travel in the clear",
            *broker_warnings(self.brokers),
        )
