"""The durable log that the stream reads and writes: embedded (SQLite) by default, or Kafka.

The factories choose the implementation by the scheme of the url, and import only that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.base.errors import LogError
from pipeline.log.settings import KAFKA_SCHEME, LOCAL_SCHEME, LogSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.log.log import Appender, LogAdmin, WorkerRight


def open_appender(settings: LogSettings) -> Appender:
    """An appender to the log, not started. Raises LogError."""
    _check(settings.url)
    if settings.is_kafka:
        from pipeline.log.kafka.appender import KafkaAppender  # noqa: PLC0415  only the log in use is imported

        return KafkaAppender(settings)
    from pipeline.log.embedded.appender import LocalAppender  # noqa: PLC0415  as above
    from pipeline.log.embedded.folder import folder_of  # noqa: PLC0415
    from pipeline.log.embedded.limits import Limits  # noqa: PLC0415

    return LocalAppender(folder_of(settings.url), Limits(settings.max_bytes, settings.min_free_bytes))


def open_admin(settings: LogSettings) -> LogAdmin:
    """The administration of the log. Creates an embedded log or topics that do not exist. Raises LogError."""
    _check(settings.url)
    if settings.is_kafka:
        from pipeline.log.kafka.admin import KafkaAdmin  # noqa: PLC0415  only the log in use is imported

        return KafkaAdmin(settings)
    from pipeline.log.embedded.admin import LocalAdmin  # noqa: PLC0415  as above
    from pipeline.log.embedded.folder import folder_of  # noqa: PLC0415

    return LocalAdmin(folder_of(settings.url))


def verify_log(
    settings: LogSettings, progress: Callable[[str], None], *, is_running: bool
) -> Iterator[tuple[str, str]]:
    """Each damaged file of the log, and what is wrong with it; changes nothing. Kafka checks its records itself."""
    _check(settings.url)
    if settings.is_kafka:
        return iter(())
    from pipeline.log.embedded.folder import folder_of  # noqa: PLC0415  only the log in use is imported
    from pipeline.log.embedded.verification import verify  # noqa: PLC0415  as above

    return verify(folder_of(settings.url), progress, is_running=is_running)


def copy_log(settings: LogSettings, target: Path, told: Callable[[Path], None]) -> dict[str, int]:
    """Copy an embedded log, while it is written, into the new folder `target`; Kafka keeps its own.

    Returns the first offset of each partition of [readings]. `told` gets each file of the copy. Raises LogError.
    """
    from pipeline.log.embedded.copying import copy_log  # noqa: PLC0415  only the log in use is imported
    from pipeline.log.embedded.folder import folder_of  # noqa: PLC0415  as above

    return copy_log(folder_of(settings.url), target, told)


def lock_worker(settings: LogSettings) -> WorkerRight:
    """The right to be a worker of the log, until released or the process ends; on Kafka several workers have it.

    Raises LogLocked, which names the process that uses the embedded log. A worker takes the lock before it opens
    anything else.
    """
    _check(settings.url)
    if settings.is_kafka:
        from pipeline.log.kafka import AnyWorker  # noqa: PLC0415  only the log in use is imported

        return AnyWorker()
    from pipeline.log.embedded.folder import folder_of, worker_lock  # noqa: PLC0415  as above

    return worker_lock(folder_of(settings.url))


def _check(url: str) -> None:
    if not url.startswith((LOCAL_SCHEME, KAFKA_SCHEME)):
        raise LogError(f"log url {url!r}: known are {LOCAL_SCHEME}/absolute/folder and {KAFKA_SCHEME}host:port")
