"""The durable log that the stream reads and writes: embedded (SQLite) by default.

The factories choose the implementation by the url's scheme; it is imported only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import LogError

if TYPE_CHECKING:
    from pipeline.log.folder import WorkerLock
    from pipeline.log.log import Appender, LogAdmin

LOCAL = "local://"


def open_appender(url: str, *, max_bytes: int, min_free_bytes: int) -> Appender:
    """An appender to the log at `url`, not started. Raises LogError."""
    _check(url)
    from pipeline.log.appender import LocalAppender  # noqa: PLC0415  only the log in use is imported
    from pipeline.log.folder import folder_of  # noqa: PLC0415
    from pipeline.log.limits import Limits  # noqa: PLC0415

    return LocalAppender(folder_of(url), Limits(max_bytes, min_free_bytes))


def open_admin(url: str) -> LogAdmin:
    """The administration of the log at `url`; an embedded log that is not there is made. Raises LogError."""
    _check(url)
    from pipeline.log.admin import LocalAdmin  # noqa: PLC0415  only the log in use is imported
    from pipeline.log.folder import folder_of  # noqa: PLC0415

    return LocalAdmin(folder_of(url))


def lock_worker(url: str) -> WorkerLock:
    """The right to be the one worker of the embedded log at `url`, until released or the process ends.

    Raises LogLocked, naming the process that has it. The worker takes it before it opens anything else.
    """
    _check(url)
    from pipeline.log.folder import WorkerLock, folder_of  # noqa: PLC0415  only the log in use is imported

    return WorkerLock(folder_of(url))


def _check(url: str) -> None:
    if not url.startswith(LOCAL):
        raise LogError(f"log url {url!r}: known is {LOCAL}/absolute/folder")
