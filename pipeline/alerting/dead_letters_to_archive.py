"""[dead_letters] → the archive of dead letters."""

from __future__ import annotations

from typing import Any

from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.base.errors import FrameError
from pipeline.log.dead_letter import DeadLetterEntry, damaged_letter, decode_dead_letters
from store.objects.damage import Outcome, report


async def dead_letters_to_archive(stream: Any, archive: DeadLetterArchive, name: str) -> None:
    """Run until the Faust stream ends. `name` is the id of the log partition: `<log id>/dead_letters/0`."""
    async for event in stream.events():
        offset = event.message.offset
        entry = _entry(name, offset, event.value)
        archive.accept(name, offset, entry.letters, entry.replayed)


def _entry(name: str, offset: int, value: bytes) -> DeadLetterEntry:
    """What the message contains; if that is not known any more, the message is a dead letter itself."""
    try:
        return decode_dead_letters(value)
    except FrameError as error:
        report("log", f"offset {offset} of {name}: {error}; it is a dead letter, reason `damaged`", Outcome.LOST)
        return DeadLetterEntry(1, [damaged_letter(name, offset, value, str(error))])
