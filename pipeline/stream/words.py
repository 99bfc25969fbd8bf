"""What stands in [readings] for the rules, between messages: a *word*. The rules take each at its offset, in order.

So a decision that depends on time, or on which rules there are, is a function of the log as all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pipeline.log.feedback import Feedback, feedback_of
from pipeline.log.forgetting import Forget, forget_of
from pipeline.log.frame import Frame, FrameKind
from pipeline.log.generation import Generation, generation_of
from pipeline.log.tick import Tick, tick_of

Word: TypeAlias = Tick | Generation | Forget | Feedback

WORDS: Mapping[FrameKind, Callable[[Frame], Word]] = {
    FrameKind.TICK: tick_of,
    FrameKind.RULES: generation_of,
    FrameKind.FORGET: forget_of,
    FrameKind.FEEDBACK: feedback_of,
}


def word_of(frame: Frame) -> Word:
    """The word in a frame of one of the kinds of `WORDS`. Raises FrameError."""
    return WORDS[frame.kind](frame)
