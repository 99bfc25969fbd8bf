"""The location of the magnetic tier: converts a URL and environment variables to the options of each library.

`s3://bucket/prefix` is Amazon S3 or a compatible server. As for AWS's own clients, the environment contains the rest:
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` (or `AWS_DEFAULT_REGION`), and
`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` for a server that is not Amazon's. Without keys each library uses the
machine's role. A plain path and `file:///path` are a local folder. Other schemes are rejected by name.

Every request has a time limit, so that callers learn within about half a minute that storage does not respond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from store.errors import MagneticTierError
from store.values.urls import without_user_parts

CONNECT_TIMEOUT_S = 3
REQUEST_TIMEOUT_S = 30
RETRY_TIMEOUT_S = 10
MAX_RETRIES = 3
_BUCKET = re.compile(
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_PREFIX_PART = re.compile(r"[A-Za-z0-9_.=-]+")
_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class S3Location:
    """A prefix in a bucket, and how to connect to it."""

    bucket: str
    prefix: str  # without slashes at its ends; "" is the whole bucket
    region: str = _DEFAULT_REGION
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL as in a configuration."""
        return f"s3://{self.key('')}".rstrip("/")

    def key(self, path: str) -> str:
        """`bucket/prefix/path`: the name of an object in pyarrow."""
        return "/".join(part for part in (self.bucket, self.prefix, path) if part)

    def at(self, path: str) -> S3Location:
        """The location of the folder `path` below this one."""
        prefix = "/".join(part for part in (self.prefix, path) if part)
        return S3Location(
            self.bucket,
            prefix,
            self.region,
            self.endpoint,
            self.access_key_id,
            self.secret_access_key,
            self.session_token,
        )

    @property
    def is_plain_http(self) -> bool:
        """Whether requests are not encrypted, which only happens if the endpoint says so."""
        return (self.endpoint or "").startswith("http://")

    def for_obstore(self) -> dict[str, Any]:
        """Keyword arguments of `obstore.store.S3Store`."""
        return {
            "bucket": self.bucket,
            "prefix": self.prefix or None,
            "config": {"region": self.region, "conditional_put": "etag", **self._given("endpoint")},
            "client_options": {
                "allow_http": self.is_plain_http,
                "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
                "timeout": timedelta(seconds=REQUEST_TIMEOUT_S),
            },
            "retry_config": {"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)},
        }

    def for_deltalake(self) -> dict[str, str]:
        """`storage_options` of `deltalake`."""
        return {
            "aws_region": self.region,
            "aws_conditional_put": "etag",
            "allow_http": "true" if self.is_plain_http else "false",
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "timeout": f"{REQUEST_TIMEOUT_S}s",
            "max_retries": str(MAX_RETRIES),
            "retry_timeout": f"{RETRY_TIMEOUT_S}s",
            **{f"aws_{name}": value for name, value in self._given("endpoint").items()},
        }

    def for_pyarrow(self) -> dict[str, Any]:
        """Keyword arguments of `pyarrow.fs.S3FileSystem`."""
        options: dict[str, Any] = {
            "region": self.region,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "request_timeout": REQUEST_TIMEOUT_S,
        }
        if self.endpoint is not None:
            scheme, _, host = self.endpoint.partition("://")
            options |= {"scheme": scheme, "endpoint_override": host.rstrip("/")}
        if self.access_key_id is not None:
            options |= {"access_key": self.access_key_id, "secret_key": self.secret_access_key}
            options |= {"session_token": self.session_token} if self.session_token is not None else {}
        return options

    def _given(self, endpoint_name: str) -> dict[str, str]:
        values = {
            endpoint_name: self.endpoint,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "session_token": self.session_token,
        }
        return {name: value for name, value in values.items() if value is not None}


def locate(url: str, environment: Mapping[str, str]) -> Path | S3Location:
    """The folder or the prefix of a bucket that `url` names. Raises MagneticTierError for any other URL."""
    if "://" not in url:
        return Path(url)
    shown = without_user_parts(url)
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return Path(rest.removeprefix("localhost"))
    if scheme != "s3":
        raise MagneticTierError(
            f"{shown}: {scheme}:// is not supported; a folder, file:///folder or s3://bucket/prefix is"
        )
    bucket, _, prefix = rest.strip("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise MagneticTierError(
            f"{shown}: {without_user_parts(bucket)!r} is not a bucket name: 3 to 63 of a-z, 0-9, `.` and `-`"
        )
    for part in prefix.split("/") if prefix else ():
        if not _PREFIX_PART.fullmatch(part) or part in {".", ".."}:
            raise MagneticTierError(
                f"{shown}: {part!r} cannot be a part of the prefix: letters, digits and _ . = - can"
            )
    return S3Location(bucket, prefix, *_connection(url, environment))


def _connection(url: str, environment: Mapping[str, str]) -> tuple[str, str | None, str | None, str | None, str | None]:
    def given(*names: str) -> str | None:
        return next((environment[name] for name in names if environment.get(name)), None)

    endpoint = given("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        shown = without_user_parts(endpoint)
        raise MagneticTierError(f"{url}: the endpoint in the environment is {shown!r}; http://… or https://… is needed")
    key, secret = given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")
    if (key is None) != (secret is None):
        missing = "AWS_ACCESS_KEY_ID" if key is None else "AWS_SECRET_ACCESS_KEY"
        raise MagneticTierError(f"{url}: the environment has one half of the access key; {missing} is missing")
    region = given("AWS_REGION", "AWS_DEFAULT_REGION") or _DEFAULT_REGION
    return region, endpoint, key, secret, given("AWS_SESSION_TOKEN")
