"""Parquet files in a bucket, through pyarrow: file systems, opened once per connection, and their errors.

This does not use obstore, as for other objects: a pyarrow file system that calls it is written in Python, and every
read would wait for it. For 20 files of 3 MB with 10 ms per request, an average of one column takes twice as long (0.6 s
instead of 0.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from pyarrow import fs

from store.errors import MagneticTierError, MagneticUnavailable
from store.objects.location import S3Location
from store.objects.s3_errors import explained, is_refusal


def filesystem(location: S3Location) -> fs.FileSystem:
    """The file system that contains `location`; paths in it are `location.key(…)`."""
    return _filesystem(location.bucket, tuple(sorted(location.for_pyarrow().items())))


@lru_cache(maxsize=8)
def _filesystem(_bucket: str, options: tuple[tuple[str, object], ...]) -> fs.FileSystem:
    # `allow_delayed_open`: a file that fits into one part needs one request, not the three of a multi-part upload
    return fs.S3FileSystem(
        **dict(options), retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3), allow_delayed_open=True
    )


@contextmanager
def errors(location: S3Location, path: str, done: str) -> Iterator[None]:
    """Convert failures of pyarrow to MagneticTierError, or MagneticUnavailable if a later attempt may succeed."""
    try:
        yield
    except OSError as error:
        text = explained(str(error))
        if is_refusal(text):
            raise MagneticTierError(f"{location.url}: {path!r} cannot be {done}: {text}") from error
        raise MagneticUnavailable(f"{location.url}: {path!r} cannot be {done} now: {text}") from error
