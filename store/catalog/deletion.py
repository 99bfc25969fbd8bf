"""Which rows a DELETE chooses: a condition on their keys, for DuckDB. `store.sql.deletion` makes it of a statement.

The key of a row is its time, its dimensions and its measure name. So all that were ever stored at a key are chosen or
none, and what is chosen does not depend on what else is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from store import layout

ROW = "t0"
"""The name of the relation in conditions."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows with times in [from, to), None: any, for which `condition` is true, and neither false nor null.

    condition   DuckDB's text about the columns of `ROW`: `time_ns`, `measure_name`, and
    dimensions  physical names of those that it uses
    """

    condition: str
    dimensions: tuple[str, ...] = ()
    from_ns: int | None = None
    to_ns: int | None = None

    @property
    def is_true(self) -> str:
        """The condition with its times, as text that is never null."""
        time = f'{ROW}."{layout.TIME_NS}"'
        times = [f"{time} >= {self.from_ns}"] if self.from_ns is not None else []
        times += [f"{time} < {self.to_ns}"] if self.to_ns is not None else []
        return f"coalesce({' AND '.join([*times, f'({self.condition})'])}, false)"

    @property
    def is_by_series(self) -> bool:
        """Whether it chooses all rows of a series, or none."""
        return f'"{layout.TIME_NS}"' not in self.condition

    def may_be_in(self, first_ns: int, last_ns: int) -> bool:
        """Whether rows with times from the first to the last one may be chosen."""
        return (self.from_ns is None or last_ns >= self.from_ns) and (self.to_ns is None or first_ns < self.to_ns)


NOTHING = Chosen("false")
