"""Whether the log may grow, by `log.max_bytes` and `log.min_free`. Decides only; measures nothing.

[readings] is refused first, because it fills a log. While the worker drains a full log, it still appends to the other
topics: they may use a reserve beyond both limits. Without it a full log could not be processed.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.log import topics

RESERVE_BYTES = 64 << 20  # hours of alerts and dead letters; small compared with any useful max_bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """max_bytes: the limit of all topics together. min_free_bytes: space on the disk to leave free for others and for
    flushes.
    """

    max_bytes: int
    min_free_bytes: int

    def refusal(self, topic: str, held_bytes: int, free_bytes: int) -> str | None:
        """Why `topic` may not grow if the log holds `held_bytes` and the disk has `free_bytes` free; None if it may."""
        max_bytes, min_free_bytes = self.max_bytes, self.min_free_bytes
        if topic != topics.READINGS:
            max_bytes += min(RESERVE_BYTES, max_bytes)
            min_free_bytes //= 2
        if held_bytes > max_bytes:
            return f"it would hold {held_bytes} bytes, log.max_bytes allows {max_bytes} for {topic}"
        if free_bytes < min_free_bytes:
            return f"the disk has {free_bytes} bytes left, log.min_free keeps {min_free_bytes} from {topic}"
        return None
