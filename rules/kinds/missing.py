"""`missing`: a series is silent for longer than it may be. Judged by `rules.silence.watch`, at ticks.

missing: {after: 2m}                         # or `after: auto`: a multiple of the usual interval of each series
missing: {after: 2m, share: 60%, until: 30d}
missing: {after: 10m, expect: [{site: north, sensor: "s-{001..200}"}]}
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rules.definition.bounds import Bounds
from rules.definition.document import Problems, read_items, read_pairs, read_text
from rules.definition.keys import SPAN, Form, Key, Section
from rules.kinds.kind import Kind, OnNoSamples
from store.record import Dimensions
from store.values.durations import duration_ns
from store.values.yaml_text import Node, ScalarNode, SequenceNode

WHOLE = "silence"
"""The measure of a rule that names none: whatever a series sends is heard."""
SHARE = 0.6
MOST_EXPECTED = 100_000
AUTO_TIMES = 3
"""`auto`: how many usual gaps a series may be silent."""
AUTO_LEAST_NS = 5 * 10**9
AUTO_EXPECTED_NS = 600 * 10**9
"""`auto`: how long a device may take that was never heard, so that nothing is known of it."""

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, slots=True)
class Missing(OnNoSamples):
    """How long a series may be silent, and which devices must be heard at all.

    after   None: learnt
    share   which part of a zone is silent as a whole
    expect  dimensions of devices; a device may have more of them
    until   after which silence is final; None: never
    """

    after: timedelta | None
    share: float = SHARE
    expect: tuple[Dimensions, ...] = ()
    until: timedelta | None = None

    @property
    def bounds(self) -> Bounds:
        """Of the seconds of silence; open if these are learnt."""
        return Bounds() if self.after is None else Bounds(max=self.after.total_seconds())

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything."""
        spans = (None if span is None else duration_ns(span) for span in (self.after, self.until))
        return ("missing", *spans, self.share, self.expect)

    @property
    def least_ns(self) -> int:
        """No deadline is earlier than this after a reading."""
        return AUTO_LEAST_NS if self.after is None else duration_ns(self.after)


def _read_after(node: Node, what: str, problems: Problems) -> timedelta | str | None:
    if isinstance(node, ScalarNode) and node.value == "auto":
        return "auto"
    span: timedelta | None = SPAN.read(node, what, problems)
    return span


def _read_share(node: Node, what: str, problems: Problems) -> float | None:
    text = read_text(node, what, problems)
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        problems.add(node, f"{what} must be a part of a whole, as 60% or 0.6, is {text!r}")
        return None
    return share


def _read_expect(node: Node, what: str, problems: Problems) -> tuple[Dimensions, ...] | None:
    before = len(problems.found)
    found: list[Dimensions] = []
    for item in read_items(node, what, problems):
        names, values = [], []
        for key, value in read_pairs(item, f"an item of {what}", problems):
            of_key = f"`{key.value}` in {what}"
            texts = read_items(value, of_key, problems) if isinstance(value, SequenceNode) else (value,)
            names.append(str(key.value))
            values.append([one for text in texts for one in _expanded(text, of_key, problems)])
        found += (tuple(sorted(zip(names, chosen, strict=True))) for chosen in _product(values, len(found)))
        if len(found) > MOST_EXPECTED:
            problems.add(item, f"{what} names more than {MOST_EXPECTED} devices")
            return None
    return tuple(dict.fromkeys(found)) if len(problems.found) == before else None


def _product(values: Sequence[Sequence[str]], before: int) -> Iterator[tuple[str, ...]]:
    """All combinations, but not many more than may be expected."""
    return itertools.islice(itertools.product(*values), MOST_EXPECTED + 1 - before) if values else iter(())


def _expanded(node: Node, what: str, problems: Problems) -> Iterator[str]:
    """The texts that a template stands for: `s-{001..003}` for three, with zeros as in its first number."""
    text = read_text(node, what, problems)
    if text is None:
        return
    parts = _RANGE.split(text)
    ranges = []
    for first, last in zip(parts[1::3], parts[2::3], strict=True):
        if int(last) < int(first) or int(last) - int(first) >= MOST_EXPECTED:
            problems.add(node, f"{what} has the range {{{first}..{last}}}, which must grow, to at most {MOST_EXPECTED}")
            return
        ranges.append([str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)])
    for numbers in itertools.islice(itertools.product(*ranges), MOST_EXPECTED + 1):
        yield "".join(itertools.chain.from_iterable(itertools.zip_longest(parts[::3], numbers, fillvalue="")))


def _make(section: Section) -> Missing:
    after = section.get("after")
    return Missing(
        None if after == "auto" else after, section.get("share", SHARE), section.get("expect", ()), section.get("until")
    )


_SCALAR = {"type": ["string", "number", "boolean"]}
_DEVICE = {"type": "object", "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}}
KIND = Kind(
    "missing",
    "how long a series may be silent",
    (
        Key("after", Form(_read_after, {"type": "string"}), "a duration, or auto: learnt from each", is_needed=True),
        Key("share", Form(_read_share, _SCALAR), "which part of a zone is silent as a whole; 60 % by default"),
        Key(
            "expect",
            Form(_read_expect, {"type": "array", "items": _DEVICE, "minItems": 1}),
            "dimensions of devices that must be heard at all, with ranges as {001..200}",
        ),
        Key("until", SPAN, "after which silence is final: the alert resolves"),
    ),
    _make,
    measure=WHOLE,
    numbers=("silent", "sensors"),
    without=("clear", "for", "clear_for", "keep_firing_for", "flapping", "no_data", "lateness"),
)
