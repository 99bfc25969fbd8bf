"""Log lines about devices, rate-limited so that no device can fill the disk with them: one per kind in `EVERY_S`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger("pipeline.gateway")

EVERY_S = 10.0


class LimitedWarnings:
    """Warnings by kind. Kinds must be few: names in the code, never text from a device."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._last_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warn(self, kind: str, message: str) -> None:
        """Log `message`, unless one of this kind was logged within `EVERY_S`; then it is counted for the next one."""
        now_s = self._clock_s()
        last_s = self._last_s.get(kind)
        if last_s is not None and now_s - last_s < EVERY_S:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._last_s[kind] = now_s
        left_out = self._left_out.pop(kind, 0)
        suffix = f" (and {left_out} more of this kind since the last such line)" if left_out else ""
        logger.warning("%s: %s%s", kind, message, suffix)
