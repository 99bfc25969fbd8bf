"""[dead_letters] → the archive of dead letters."""

from __future__ import annotations

from typing import Any

from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.log.dead_letter import decode_dead_letters


async def dead_letters_to_archive(stream: Any, archive: DeadLetterArchive, name: str) -> None:
    """Run until the Faust stream ends. `name` is the id of the log partition: `<log id>/dead_letters/0`."""
    async for event in stream.events():
        entry = decode_dead_letters(event.value)
        archive.accept(name, event.message.offset, entry.letters, entry.replayed)
