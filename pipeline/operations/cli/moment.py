"""Times in options."""

from __future__ import annotations

import time
from typing import Any

import click

from store.values.durations import duration_ns, is_duration, parse_duration
from store.values.times import parse_rfc3339


class Moment(click.ParamType):
    """A time as RFC 3339, or how long ago: nanoseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The time in nanoseconds."""
        if isinstance(value, int):
            return value
        try:
            return time.time_ns() - duration_ns(parse_duration(value)) if is_duration(value) else parse_rfc3339(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
