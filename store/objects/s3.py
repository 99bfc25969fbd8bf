"""Objects in a bucket (see `objects`) of Amazon S3, or of a compatible server that supports `If-None-Match`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore import exceptions
from obstore.store import S3Store

from store.errors import MagneticTierError, MagneticUnavailable, NoObject
from store.objects.location import REQUEST_TIMEOUT_S, RETRY_TIMEOUT_S, S3Location
from store.objects.objects import CHUNK_BYTES, check_path
from store.objects.s3_errors import explained, is_refusal

PAGE_TIMEOUT_S = REQUEST_TIMEOUT_S + RETRY_TIMEOUT_S
PAGE_SIZE = 1_000  # as S3 has it
MOST_LISTED = 10_000_000

# By class, as far as obstore 0.12.1 has one; None: by the text of the error
ERRORS: dict[type[Exception], type[MagneticTierError] | None] = {
    exceptions.NotFoundError: MagneticTierError,  # of the bucket; a missing object is not an error here
    exceptions.PermissionDeniedError: MagneticTierError,
    exceptions.UnauthenticatedError: MagneticTierError,
    exceptions.InvalidPathError: MagneticTierError,
    exceptions.NotSupportedError: MagneticTierError,
    exceptions.UnknownConfigurationKeyError: MagneticTierError,
    FileNotFoundError: MagneticTierError,
    PermissionError: MagneticTierError,
    exceptions.AlreadyExistsError: MagneticUnavailable,  # for `put`: changed at the same time
    exceptions.PreconditionError: MagneticUnavailable,
    exceptions.NotModifiedError: MagneticUnavailable,
    exceptions.JoinError: MagneticUnavailable,
    exceptions.GenericError: None,
    exceptions.BaseError: None,
}


class S3Objects:
    """Objects below a prefix of a bucket."""

    def __init__(self, location: S3Location) -> None:
        """Use the bucket at `location`; sends no request yet."""
        self.url = location.url
        self._store = S3Store(**location.for_obstore())

    def put(self, path: str, data: bytes) -> None:
        """See `store.objects.objects.Objects`."""
        with self.errors_mapped(check_path(path), "written"):
            obstore.put(self._store, path, data, use_multipart=False)

    def create(self, path: str, data: bytes) -> bool:
        """See `store.objects.objects.Objects`."""
        with self.errors_mapped(check_path(path), "created"):
            try:
                obstore.put(self._store, path, data, mode="create")
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                return False
        return True

    def get(self, path: str) -> bytes | None:
        """See `store.objects.objects.Objects`."""
        with self.errors_mapped(check_path(path), "read"):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except (exceptions.NotFoundError, FileNotFoundError):
                return None

    def put_file(self, path: str, source: Path) -> None:
        """See `store.objects.objects.LargeObjects`."""
        with self.errors_mapped(check_path(path), "written"):
            obstore.put(self._store, path, source)

    def chunks(self, path: str) -> Iterator[bytes]:
        """See `store.objects.objects.LargeObjects`."""
        with self.errors_mapped(check_path(path), "read"):
            try:
                stream = obstore.get(self._store, path).stream(min_chunk_size=CHUNK_BYTES)
            except (exceptions.NotFoundError, FileNotFoundError) as error:
                raise NoObject(f"{self.url}: there is no {path!r}") from error
            yield from map(bytes, stream)

    def list(self, prefix: str) -> list[str]:
        """See `store.objects.objects.Objects`."""
        mapped = self.errors_mapped(check_path(prefix) if prefix else "", "listed")
        with mapped, ThreadPoolExecutor(1) as thread:  # a thread of its own has no event loop yet
            return sorted(thread.submit(asyncio.run, self._listed(f"{prefix}/" if prefix else None)).result())

    async def _listed(self, prefix: str | None) -> set[str]:
        """The names, page by page: only an awaited page can be given up, and a bucket that answers with the same
        continuation token again and again never completes one.
        """
        found: set[str] = set()
        pages = obstore.list(self._store, prefix, chunk_size=PAGE_SIZE).__aiter__()
        while True:
            try:
                page = await asyncio.wait_for(anext(pages), PAGE_TIMEOUT_S)
            except StopAsyncIteration:
                return found
            except TimeoutError:
                raise MagneticUnavailable(
                    f"{self.url}: {prefix or ''!r} cannot be listed now: {PAGE_TIMEOUT_S} s without a name"
                ) from None
            before = len(found)
            found.update(meta["path"] for meta in page)
            if len(found) == before or before > MOST_LISTED:
                raise MagneticUnavailable(
                    f"{self.url}: {prefix or ''!r} cannot be listed: after {before} names its pages bring no new ones, "
                    f"or more than {MOST_LISTED:,}"
                )

    def delete(self, path: str) -> None:
        """See `store.objects.objects.Objects`."""
        with self.errors_mapped(check_path(path), "deleted"):
            try:
                obstore.delete(self._store, path)
            except (exceptions.NotFoundError, FileNotFoundError):
                return

    def discard(self, path: str) -> None:
        """See `store.objects.objects.Objects`."""
        self.delete(path)

    @contextmanager
    def errors_mapped(self, path: str, done: str) -> Iterator[None]:
        """See `ERRORS`."""
        try:
            yield
        except (exceptions.BaseError, OSError) as error:
            text = str(error)
            kind = ERRORS.get(type(error)) or (MagneticTierError if is_refusal(text) else MagneticUnavailable)
            now = " now" if kind is MagneticUnavailable else ""
            raise kind(f"{self.url}: {path!r} cannot be {done}{now}: {explained(text)}") from error
