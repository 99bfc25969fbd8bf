"""Objects in a bucket (see `objects`): of Amazon S3, or a server that knows its protocol with `If-None-Match`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import obstore
from obstore import exceptions
from obstore.store import S3Store

from store.errors import MagneticTierError, MagneticUnavailable
from store.objects.location import S3Location
from store.objects.objects import check_path

# What no later try mends: the operator must act
_FINAL = (
    exceptions.NotFoundError,  # the bucket: objects that are absent are no error here
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
    exceptions.InvalidPathError,
    exceptions.NotSupportedError,
    exceptions.UnknownConfigurationKeyError,
)


class S3Objects:
    """Objects below a prefix of a bucket."""

    def __init__(self, location: S3Location) -> None:
        """Use the bucket at `location`, which is not asked yet."""
        self.url = location.url
        self._store = S3Store(**location.for_obstore())

    def put(self, path: str, data: bytes) -> None:
        """See `store.objects.objects.Objects`."""
        with self._errors(check_path(path), "written"):
            obstore.put(self._store, path, data, use_multipart=False)

    def create(self, path: str, data: bytes) -> bool:
        """See `store.objects.objects.Objects`."""
        with self._errors(check_path(path), "created"):
            try:
                obstore.put(self._store, path, data, mode="create")
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                return False
        return True

    def get(self, path: str) -> bytes | None:
        """See `store.objects.objects.Objects`."""
        with self._errors(check_path(path), "read"):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except (exceptions.NotFoundError, FileNotFoundError):
                return None

    def list(self, prefix: str) -> list[str]:
        """See `store.objects.objects.Objects`."""
        with self._errors(check_path(prefix) if prefix else "", "listed"):
            pages = obstore.list(self._store, f"{prefix}/" if prefix else None)
            return sorted(meta["path"] for page in pages for meta in page)

    def delete(self, path: str) -> None:
        """See `store.objects.objects.Objects`."""
        with self._errors(check_path(path), "deleted"):
            try:
                obstore.delete(self._store, path)
            except (exceptions.NotFoundError, FileNotFoundError):
                return

    @contextmanager
    def _errors(self, path: str, done: str) -> Iterator[None]:
        try:
            yield
        except (*_FINAL, FileNotFoundError, PermissionError) as error:
            raise MagneticTierError(f"{self.url}: {path!r} cannot be {done}: {error}") from error
        except (exceptions.BaseError, OSError) as error:
            raise MagneticUnavailable(f"{self.url}: {path!r} cannot be {done} now: {error}") from error
