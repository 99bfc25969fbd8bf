"""Random statements, each twice: in Timestream's SQL, and in DuckDB's over one plain table of the same rows.

Both texts are written side by side, clause by clause, so that the second owes nothing to the product: not its parser,
not its binder, not what it leaves unread. What they share is DuckDB's execution of an operator.

The plain table has times as whole nanoseconds; where the dialects differ (bins, times, nulls last, NaN, which for
Timestream is neither larger nor smaller than anything), each text says it in its own words.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from store.sql.values import format_timestamp

SECOND_NS = 1_000_000_000
_AGGREGATES = (
    "count(*)",
    "count({t})",
    "count(DISTINCT {sensor})",
    "sum({n} % 1000)",
    "min({n})",
    "max({time})",
    "min({time})",
    "max({sensor})",
    "max(abs({n} % 100) + 1)",
)
_FRAMES = (
    "",
    "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
)
_WINDOWS = (
    *("row_number()", "rank()", "lag({n}, 1)", "lead({time}, 2)", "first_value({sensor})", "last_value({n})"),
    *("sum({n} % 1000)", "count({t})", "max({n})"),
)
_FRAMELESS = {"row_number()", "rank()", "lag({n}, 1)", "lead({time}, 2)"}
_OF_ONE_ROW = {"first_value({sensor})", "last_value({n})"}  # where several have one time, it may be of any
COLUMNS = ("sensor", "zone", "rack", "zone_name", "measure_name", "time", "t", "n", "note")
MERGED = (
    "count(*)",
    "count({0}t)",
    "count({0}n)",
    "min({0}t)",
    "min({0}n)",
    "max({0}n)",
    "min({0}time)",
    "max({0}time)",
)
_LISTED = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True)
class Text:
    """A fragment in both dialects."""

    sql: str
    plain: str


def both(text: str) -> Text:
    """What is written alike."""
    return Text(text, text)


def made(template: str, *parts: Text) -> Text:
    """The template in both dialects; each `{}` is a part."""
    return Text(template.format(*(part.sql for part in parts)), template.format(*(part.plain for part in parts)))


def listed(parts: Sequence[Text], separator: str = ", ") -> Text:
    """All parts, one after the other."""
    return Text(separator.join(part.sql for part in parts), separator.join(part.plain for part in parts))


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement. `is_ordered`: its rows have an order; else they may come in any."""

    text: Text
    is_ordered: bool


@dataclass(slots=True)
class Queries:
    """Makes statements over the rows of one table, `sql_table` in the store and `plain_table` in DuckDB.

    texts     values of columns that conditions name
    merged    aggregates that can be merged exactly
    now_ns    of the statement
    from_ns   the rows of interest are from here to `now_ns`
    """

    rng: random.Random
    sql_table: str
    plain_table: str
    texts: Mapping[str, Sequence[str]]
    now_ns: int = 0
    from_ns: int = 0
    merged: Sequence[str] = MERGED
    _withs: list[Text] = field(default_factory=list)
    _named: list[str] = field(default_factory=list)  # their names
    _names: int = 0

    def statement(self) -> Statement:
        """Any statement."""
        self._withs, self._named, self._names = [], [], 0
        shapes = (self._rows, self._groups, self._merged, self._windows, self._join, self._set_operation)
        shape = self.rng.choices(shapes, (3, 4, 3, 2, 2, 1))[0]
        body, width = shape()
        tail, is_ordered = self._tail(width)
        text = made("{}{}", body, tail)
        if self._withs:
            text = made("WITH {} {}", listed(self._withs), text)
        return Statement(text, is_ordered)

    # Shapes: each returns the text and its number of columns. Equal rows are not told apart, so all are determined.

    def _rows(self) -> tuple[Text, int]:
        source, alias = self._source()
        where = self._where(alias, 2)
        columns = self.rng.sample(COLUMNS, self.rng.randrange(1, 6))
        items = [self._value(alias, column) for column in columns]
        if self.rng.random() < 0.2:
            unnested, item = self._unnested(alias)
            source, items = made("{}{}", source, unnested), [*items, item]
        distinct = self.rng.choice(("", "", "DISTINCT "))
        return made(f"SELECT {distinct}{{}} FROM {{}}{{}}", listed(items), source, where), len(items)

    def _groups(self) -> tuple[Text, int]:
        source, alias = self._source()
        keys = list({key.plain: key for key in (self._key(alias) for _ in range(self.rng.randrange(3)))}.values())
        items = [*keys, *(self._aggregate(alias) for _ in range(self.rng.randrange(1, 4)))]
        grouping = both("")
        if keys:
            kind = self.rng.choice(("", "", "", "ROLLUP ", "CUBE ", "GROUPING SETS "))
            inner = listed([made("({})", key) for key in keys] if kind == "GROUPING SETS " else keys)
            grouping = made(f" GROUP BY {kind}({{}})" if kind else " GROUP BY {}", inner)
        having = both("")
        if keys and self.rng.random() < 0.3:
            having = both(f" HAVING count(*) > {self.rng.randrange(4)}")
        where = self._where(alias, 3)
        return made("SELECT {} FROM {}{}{}{}", listed(items), source, where, grouping, having), len(items)

    def _merged(self) -> tuple[Text, int]:
        """Aggregates that can be merged from those of parts of the table."""
        alias = self.rng.choice(("", self._name("r")))
        of = f"{alias}." if alias else ""
        keys = [both(f"{of}{name}") for name in ("sensor", "zone", "zone_name", "rack", "measure_name")]
        keys += [Text(f"bin({of}time, {width}s)", _bin(f"{of}time", width)) for width in (60, 300, 7)]
        keys.append(Text(f"date_trunc('hour', {of}time)", _bin(f"{of}time", 3600)))
        chosen = self.rng.sample(keys, self.rng.randrange(4))
        calls = self.rng.sample(self.merged, self.rng.randrange(1, 5))
        items = [*chosen, *(both(call.format(of)) for call in calls)]
        texts, conditions = dict(self.texts, measure_name=("m", "x")), []
        for _ in range(self.rng.randrange(3)):
            name = self.rng.choice(("time", *texts))
            if name == "time":
                sign = self.rng.choice((">", ">=", "<", "<=", "="))
                conditions.append(made(f"{of}time {sign} {{}}", self._instant()))
            else:
                some = self.rng.sample(list(texts[name]), self.rng.randrange(1, len(texts[name])))
                conditions.append(both(f"{of}{name} IN ({', '.join(map(repr, some))})"))
        where = made(" WHERE {}", _all(conditions)) if conditions else both("")
        group = made(" GROUP BY {}", listed(chosen)) if chosen else both("")
        having = both(f" HAVING count(*) > {self.rng.randrange(4)}" if chosen and self.rng.random() < 0.3 else "")
        source = made(f"{{}} AS {alias}" if alias else "{}", Text(self.sql_table, self.plain_table))
        return made("SELECT {} FROM {}{}{}{}", listed(items), source, where, group, having), len(items)

    def _windows(self) -> tuple[Text, int]:
        source, alias = self._source()
        items = [both(f"{alias}.sensor"), both(f"{alias}.time")]
        items += [self._window(alias) for _ in range(self.rng.randrange(1, 3))]
        return made("SELECT {} FROM {}{}", listed(items), source, self._where(alias, 2)), len(items)

    def _join(self) -> tuple[Text, int]:
        side = self.rng.choice(("", "LEFT ", "RIGHT ", "FULL "))
        left, a = self._source()
        right, b = self._source()
        minute = [made("{}", self._bin(name, 60)) for name in (a, b)]
        on = [both(f"{a}.sensor = {b}.sensor"), made("{} = {}", *minute)]
        if self.rng.random() < 0.5:
            on.append(both(f"{a}.time < {b}.time"))
        items = [both(f"{a}.time"), both(f"{b}.time"), both(f"{a}.zone"), self._value(b, "n")]
        where = self.rng.choice((self._where(a, 2), self._where(b, 2), both("")))
        if self.rng.random() < 0.4:
            items = [both(f"{a}.zone"), both("count(*)"), both(f"max({b}.n)")]
            where = made(f"{{}} GROUP BY {a}.zone", where)
        text = made(f"SELECT {{}} FROM {{}} {side}JOIN {{}} ON {{}}{{}}", listed(items), left, right, _all(on), where)
        return text, len(items)

    def _set_operation(self) -> tuple[Text, int]:
        word = self.rng.choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT"))
        sides = []
        for _ in range(2):
            source, alias = self._source()
            columns = both(f"{alias}.sensor, {alias}.n, {alias}.time")
            sides.append(made("(SELECT {} FROM {}{})", columns, source, self._where(alias, 2)))
        return made(f"{{}} {word} {{}}", *sides), 3

    def _tail(self, width: int) -> tuple[Text, bool]:
        """ORDER BY all columns, so that it determines which rows a LIMIT leaves."""
        if self.rng.random() < 0.4:
            return both(""), False
        places = list(range(1, width + 1))
        self.rng.shuffle(places)
        order = [
            (place, self.rng.choice(("", " DESC")), self.rng.choice(("", "", " NULLS FIRST", " NULLS LAST")))
            for place in places
        ]
        sql = ", ".join(f"{place}{direction}{nulls}" for place, direction, nulls in order)
        plain = ", ".join(f"{place}{direction}{nulls or ' NULLS LAST'}" for place, direction, nulls in order)
        limit = self.rng.choice(("", f" LIMIT {self.rng.randrange(20)}"))
        offset = self.rng.choice(("", f" OFFSET {self.rng.randrange(10)}")) if limit else ""
        return Text(f" ORDER BY {sql}{offset}{limit}", f" ORDER BY {plain}{limit}{offset}"), True

    # Parts

    def _name(self, letter: str) -> str:
        self._names += 1
        return f"{letter}{self._names}"

    def _source(self) -> tuple[Text, str]:
        """A relation with all columns of the table, and its alias."""
        alias = self._name("r")
        kind = self.rng.random()
        if kind < 0.5:
            return made(f"{{}} AS {alias}", Text(self.sql_table, self.plain_table)), alias
        if self._named and kind < 0.6:
            return both(f"{self.rng.choice(self._named)} AS {alias}"), alias
        query = self.rng.choice((self._some, self._some, self._twice, self._first, self._newest, self._minutes))()
        if kind < 0.8:
            return made(f"({{}}) AS {alias}", query), alias
        name = self._name("w")
        self._withs.append(made(f"{name} AS ({{}})", query))
        self._named.append(name)
        return both(f"{name} AS {alias}"), alias

    # Subqueries with all columns of the table

    def _some(self) -> Text:
        inner, distinct = self._name("r"), self.rng.choice(("", "", "DISTINCT "))
        table = Text(self.sql_table, self.plain_table)
        return made(f"SELECT {distinct}{_LISTED} FROM {{}} AS {inner}{{}}", table, self._where(inner, 2))

    def _twice(self) -> Text:
        return made(f"{{}} {self.rng.choice(('UNION ALL', 'UNION', 'EXCEPT'))} {{}}", self._some(), self._some())

    def _first(self) -> Text:
        direction = self.rng.choice(("", " DESC"))
        order = ", ".join(f"{name}{direction}" for name in ("time", "sensor", "measure_name"))
        return made(f"{{}} ORDER BY {order} LIMIT {self.rng.randrange(1, 40)}", self._some())

    def _newest(self) -> Text:
        """The newest rows of each sensor, or each minute."""
        key = self.rng.choice((both("sensor"), both("zone, sensor"), Text("bin(time, 60s)", _bin("time", 60))))
        number = made("row_number() OVER (PARTITION BY {} ORDER BY time DESC, sensor, measure_name)", key)
        return made(
            f"SELECT {_LISTED} FROM (SELECT {_LISTED}, {{}} AS k FROM ({{}})) WHERE k <= 3", number, self._some()
        )

    def _minutes(self) -> Text:
        """Aggregates by sensor and minute."""
        others = "max(zone) AS zone, max(rack) AS rack, max(zone_name) AS zone_name, max(measure_name) AS measure_name"
        values = "CAST(count(*) AS double) AS t, max(n) AS n, max(note) AS note"
        minute = Text("bin(time, 60s)", _bin("time", 60))
        return made(
            f"SELECT sensor, {{}} AS time, {others}, {values} FROM ({{}}) GROUP BY sensor, {{}}",
            minute,
            self._some(),
            minute,
        )

    def _value(self, alias: str, column: str) -> Text:
        of = f"{alias}.{column}"
        match column:
            case "time":
                return self.rng.choice((both(of), self._bin(alias, 300)))
            case "sensor" | "zone" | "zone_name" | "note":
                return both(self.rng.choice((of, f"upper({of})", f"length({of})", f"{of} || '!'")))
            case "n":
                return both(self.rng.choice((of, f"coalesce({of}, 7)", f"{of} % 10", f"nullif({of} % 3, 0)")))
            case "t":
                case = Text(f"CASE WHEN {of} > 0 THEN 1 ELSE 0 END", f"CASE WHEN {_larger(of)} THEN 1 ELSE 0 END")
                return self.rng.choice((both(of), case, Text(f"is_nan({of})", f"isnan({of})")))
        return both(of)

    def _key(self, alias: str) -> Text:
        columns = [both(f"{alias}.{name}") for name in ("sensor", "zone", "zone_name", "rack", "measure_name")]
        seconds = self.rng.choice((60, 300, 3600, 86_400))
        return self.rng.choice((*columns, self._bin(alias, seconds), self._truncated(alias), both(f"{alias}.n % 3")))

    def _aggregate(self, alias: str) -> Text:
        call = self.rng.choice(_AGGREGATES).format(**{name: f"{alias}.{name}" for name in COLUMNS})
        if self.rng.random() < 0.25:
            return made(f"{call} FILTER (WHERE {{}})", self._condition(alias, 0))
        if self.rng.random() < 0.2:
            of = f"{alias}.t"
            small = Text(f"{of} > -60 AND {of} < 60", f"{_larger(of, -60)} AND {of} < 60")
            return made(f"sum(CASE WHEN {{}} THEN round({of}) END)", small)
        return both(call)

    def _window(self, alias: str) -> Text:
        chosen = self.rng.choice(_WINDOWS)
        call = chosen.format(**{name: f"{alias}.{name}" for name in COLUMNS})
        partition = self.rng.choice(("", f"PARTITION BY {alias}.zone ", f"PARTITION BY {alias}.sensor "))
        order = f"ORDER BY {alias}.time, {alias}.sensor, {alias}.measure_name"
        if chosen not in _FRAMELESS and self.rng.random() < 0.3:
            seconds = self.rng.randrange(1, 200)
            if chosen not in _OF_ONE_ROW:
                distance = Text(f"{seconds}s", str(seconds * SECOND_NS))
                over = f"{partition}ORDER BY {alias}.time RANGE BETWEEN {{}} PRECEDING AND CURRENT ROW"
                return made(f"{call} OVER ({over})", distance)
        frame = "" if chosen in _FRAMELESS else self.rng.choice(_FRAMES)
        return both(f"{call} OVER ({partition}{order} {frame})")

    def _unnested(self, alias: str) -> tuple[Text, Text]:
        name = self._name("u")
        array = self.rng.choice(
            (
                Text(f"ARRAY[{alias}.n % 5, 3]", f"[{alias}.n % 5, 3]"),
                Text("sequence(1, 3)", "generate_series(1, 3)"),
                Text(f"slice(ARRAY[1, 2, 3], 1, length({alias}.sensor))", f"[1, 2, 3][1:length({alias}.sensor)]"),
            )
        )
        sql = f" CROSS JOIN UNNEST({array.sql}) AS {name}(x)"
        plain = f" CROSS JOIN (SELECT unnest({array.plain}) AS x) AS {name}"
        return Text(sql, plain), both(f"{name}.x")

    def _where(self, alias: str, most: int) -> Text:
        conditions = [self._condition(alias, 2) for _ in range(self.rng.randrange(most + 1))]
        return made(" WHERE {}", _all(conditions)) if conditions else both("")

    def _condition(self, alias: str, depth: int) -> Text:
        """A condition on the rows of a relation; with sub-queries and connectives as far as `depth` allows."""
        kinds = [self._about_time, self._about_time, self._about_dimension, self._about_dimension, self._about_measure]
        if depth:
            kinds += [self._about_others, self._connected, self._connected]
        return self.rng.choice(kinds)(alias, depth)

    def _connected(self, alias: str, depth: int) -> Text:
        left, right = self._condition(alias, depth - 1), self._condition(alias, depth - 1)
        template = self.rng.choice(("({} OR {})", "(NOT ({} AND {}))", "({} AND {})"))
        return made(template, left, right)

    def _moment(self) -> int:
        span = max(self.now_ns - self.from_ns, 1)
        time_ns = self.now_ns - self.rng.randrange(span)
        return self.rng.choice((time_ns, time_ns // (60 * SECOND_NS) * 60 * SECOND_NS, self.now_ns, self.from_ns))

    def _instant(self) -> Text:
        """A constant time."""
        time_ns = self._moment()
        seconds = self.rng.randrange(3_000)
        return self.rng.choice(
            (
                Text(f"from_nanoseconds({time_ns})", str(time_ns)),
                Text(f"'{format_timestamp(time_ns)}'", str(time_ns)),
                Text(f"TIMESTAMP '{format_timestamp(time_ns)}'", str(time_ns)),
                Text(f"ago({seconds}s)", str(self.now_ns - seconds * SECOND_NS)),
                Text(f"(now() - {seconds}s)", str(self.now_ns - seconds * SECOND_NS)),
                Text(f"from_nanoseconds({time_ns}) + 1s", str(time_ns + SECOND_NS)),
            )
        )

    def _bin(self, alias: str, seconds: int) -> Text:
        time = f"{alias}.time"
        return Text(f"bin({time}, {seconds}s)", _bin(time, seconds))

    def _truncated(self, alias: str) -> Text:
        unit, seconds = self.rng.choice((("minute", 60), ("hour", 3600), ("day", 86_400)))
        return Text(f"date_trunc('{unit}', {alias}.time)", self._bin(alias, seconds).plain)

    def _about_time(self, alias: str, depth: int) -> Text:
        time = self.rng.choice(
            (both(f"{alias}.time"), both(f"{alias}.time"), self._bin(alias, 60), self._truncated(alias))
        )
        sign = self.rng.choice((">", ">=", "<", "<=", "=", "<>"))
        if self.rng.random() < 0.3:
            return made("{} BETWEEN {} AND {}", time, self._instant(), self._instant())
        if self.rng.random() < 0.2:
            return made(f"{{}} {sign} {{}}", self._instant(), time)
        return made(f"{{}} {sign} {{}}", time, self._instant())

    def _about_dimension(self, alias: str, depth: int) -> Text:
        name, values = self.rng.choice(list(self.texts.items()))
        of, value = f"{alias}.{name}", self.rng.choice(values)
        some = ", ".join(f"'{each}'" for each in self.rng.sample(list(values), self.rng.randrange(1, len(values))))
        return both(
            self.rng.choice(
                (
                    f"{of} = '{value}'",
                    f"'{value}' = {of}",
                    f"{of} IN ({some})",
                    f"{of} NOT IN ({some})",
                    f"{of} <> '{value}'",
                    f"{of} LIKE '%{value[-1]}'",
                    f"{of} IS NULL",
                    f"upper({of}) = '{value.upper()}'",
                    f"{of} >= '{value}'",
                )
            )
        )

    def _about_measure(self, alias: str, depth: int) -> Text:
        of, number = f"{alias}.t", self.rng.randrange(-30, 30) + 0.5
        n, note, name = f"{alias}.n", f"{alias}.note", f"{alias}.measure_name"
        return self.rng.choice(
            (
                Text(f"{of} > {number}", _larger(of, number)),
                Text(f"{of} <= {number}", f"{of} <= {number}"),
                *map(both, (f"{of} IS NOT NULL", f"{n} > 0", f"{n} % 3 = 1", f"{n} IS NULL")),
                *map(both, (f"{note} = 'b'", f"{note} IN ('a', 'c')", f"{name} = 'm'", f"{name} IN ('m', 'x')")),
            )
        )

    def _about_others(self, alias: str, depth: int) -> Text:
        """A condition with a sub-query, also a correlated one."""
        del depth
        inner = self._name("r")
        table = Text(self.sql_table, self.plain_table)
        where = _all([self._condition(inner, 0) for _ in range(self.rng.randrange(1, 3))])
        source = made(f"FROM {{}} AS {inner} WHERE {{}}", table, where)
        minutes = Text("5m", str(300 * SECOND_NS))
        return self.rng.choice(
            (
                made(f"{alias}.time >= (SELECT max({inner}.time) - {{}} {{}})", minutes, source),
                made(f"{alias}.sensor IN (SELECT {inner}.sensor {{}})", source),
                made(f"{alias}.time NOT IN (SELECT {inner}.time {{}})", source),
                made(f"EXISTS (SELECT 1 {{}} AND {inner}.sensor = {alias}.sensor)", source),
                made(f"{alias}.n > ALL (SELECT {inner}.n {{}} AND {inner}.n IS NOT NULL)", source),
            )
        )


def _all(conditions: Sequence[Text]) -> Text:
    return listed([made("({})", condition) for condition in conditions], " AND ")


def _bin(time: str, seconds: int) -> str:
    """In DuckDB, for times after 1970."""
    return f"({time} - {time} % {seconds * SECOND_NS})"


def _larger(of: str, number: float = 0) -> str:
    """In DuckDB: larger than the number, and not NaN."""
    return f"({of} > {number} AND NOT isnan({of}))"
