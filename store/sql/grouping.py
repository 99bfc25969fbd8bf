"""GROUP BY: its keys, and its text with ROLLUP, CUBE and GROUPING SETS.

The empty GROUP BY of no sets makes one group, like an aggregate without GROUP BY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import TypeAlias

from sqlglot import exp

from store.sql.text import QueryText
from store.sql.typed import Typed

SETS_MAX = 2_048  # as in Trino

_WORDS: dict[type[exp.Expr], str] = {exp.Rollup: "ROLLUP", exp.Cube: "CUBE", exp.GroupingSets: "GROUPING SETS"}
_Set: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The keys of a GROUP BY, and its text; both empty without one. `has_sets`: rows are in groups of several sets."""

    keys: tuple[Typed, ...] = ()
    text: str = ""
    has_sets: bool = False


def group_of(query: QueryText, clause: exp.Group, bind: Callable[[exp.Expr], Typed]) -> Group:
    """The GROUP BY, with keys as `bind` has them. Raises SqlError."""
    query.refuse_other(clause, "expressions", "all", what="GROUP BY")
    keys: list[Typed] = []
    count = 1
    sets: list[Sequence[_Set]] = []
    for element in clause.expressions:
        sets.append(_sets(query, element, bind, keys))
        count *= len(sets[-1])
        if count > SETS_MAX:
            raise query.syntax(element, f"GROUP BY has more than {SETS_MAX} grouping sets")
    if not any(type(element) in _WORDS for element in clause.expressions):
        return Group(tuple(keys), f" GROUP BY {', '.join(key.sql for key in keys) or '()'}")
    whole: Iterable[_Set] = (tuple(dict.fromkeys(chain(*parts))) for parts in product(*sets))
    if clause.args.get("all") is False:  # DISTINCT
        whole = {frozenset(one): one for one in whole}.values()
    listed = ", ".join(f"({','.join(one)})" for one in whole)
    return Group(tuple(keys), f" GROUP BY GROUPING SETS ({listed})", has_sets=True)


def _sets(query: QueryText, element: exp.Expr, bind: Callable[[exp.Expr], Typed], keys: list[Typed]) -> Sequence[_Set]:
    """The sets of keys that an element stands for; appends its keys to `keys`."""
    word = _WORDS.get(type(element))
    if word is None:
        parts = element.expressions if isinstance(element, exp.Tuple) else [element]
        made = [bind(part) for part in parts]
        keys += made
        return [tuple(key.sql for key in made)]
    query.refuse_other(element, "expressions", what=word)
    parts_sets = [_sets(query, part, bind, keys) for part in element.expressions]
    if word == "GROUPING SETS":
        return [one for sets in parts_sets for one in sets]
    parts_of = [sets[0] for sets in parts_sets]
    if word == "ROLLUP":
        return [tuple(chain(*parts_of[:count])) for count in range(len(parts_of), -1, -1)]
    if 2 ** len(parts_of) > SETS_MAX:
        raise query.syntax(element, f"GROUP BY has more than {SETS_MAX} grouping sets")
    counts = range(len(parts_of), -1, -1)
    return [tuple(chain(*some)) for count in counts for some in combinations(parts_of, count)]
