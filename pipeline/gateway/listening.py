"""In which time this gateway listens to devices, told in ticks (`pipeline.log.tick`). Pure: times are arguments.

A tick continues the one before it, unless listening was interrupted: the gateway did not read (a slow or full log), or
the process did not run (it was stopped, the machine slept), or the clock was set. Then the time between is of no tick,
and rules count it as nobody's silence.
"""

from __future__ import annotations

from pipeline.log.tick import Tick

TICK_EVERY_S = 1.0
LONGEST_NS = 3 * 10**9  # a process that did not come to tick for longer did not read either


class Listening:
    """The ticks of the listener `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._upto_ns: int | None = None  # where the next tick continues; None: listening begins anew

    def tick(self, now_ns: int, *, is_last: bool = False) -> Tick:
        """The next tick; `now_ns` is later than the arrival of every message before it."""
        upto_ns = self._upto_ns
        continues = upto_ns is not None and 0 <= now_ns - upto_ns <= LONGEST_NS
        self._upto_ns = now_ns
        return Tick(self.name, upto_ns if upto_ns is not None and continues else now_ns, now_ns, is_last)

    def interrupt(self) -> None:
        """Nothing is read from now on; the next tick says from when it is read again."""
        self._upto_ns = None
