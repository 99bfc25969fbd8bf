"""The section `buckets`: where Timestream's clients may write and read files, and the names they use."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.config import names
from pipeline.config.tables import Section
from store.errors import MagneticTierError
from store.names import DEFAULT_ACCOUNT
from store.objects.location import locate

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # AWS's rule for buckets


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a bucket name: 3 to 63 of a-z, 0-9, `.` and `-`")
    return name


def _check_url(url: str) -> str:
    """Raises ValueError unless it is an absolute folder or a prefix of a bucket."""
    try:
        place = locate(url, {})  # how a bucket is reached is read from the environment when it is used
    except MagneticTierError as error:
        raise ValueError(str(error)) from error
    if not str(getattr(place, "url", place)).startswith(("/", "s3://")):
        raise ValueError(f"{url!r} is not an absolute folder, nor s3://bucket/prefix")
    return url


class Bucket(Section):
    """A place for files."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(description="as clients write it: s3://<name>/…")
    url: Annotated[str, AfterValidator(_check_url)] = Field(description="a folder, or s3://bucket/prefix")
    accounts: tuple[Annotated[str, AfterValidator(names.check_account)], ...] = Field(
        default=(DEFAULT_ACCOUNT,), min_length=1, description="which may use it"
    )
