"""From where an archive reads its partition of the log at a start."""

from __future__ import annotations

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from store.objects.damage import Outcome, report


def start_offset(archive: AlertArchive | DeadLetterArchive, partition_id: str, log_first: int) -> int | None:
    """The first offset that the archive needs; None if it never had one of this partition.

    `log_first`: the first offset that the log still has, 0 if all is there. A log that was trimmed had an archive.
    """
    found = archive.next_offset(partition_id)
    if found is None and log_first:
        told = "has lost its file, or its position, and what it had from before offset"
        report("archive", f"the archive of {partition_id} {told} {log_first}", Outcome.LOST)
    return found
