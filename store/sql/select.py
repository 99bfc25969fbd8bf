"""Queries: converts SELECT, WITH, VALUES and set operations to one DuckDB text.

Every relation gets a generated alias (t0, t1 …), every output a generated name (c0, c1 …) and every WITH query a
generated name (q0 …), and is moved to the front. So the text contains no names of the user except the physical columns
of tables, quoted. The text is made, and scans of tables are requested, only after all is bound, with the bounds found
in the WHERE of the table and of the queries around it.
"""

# ruff: noqa: S608 - SQL is put together here, from bound expressions and generated names

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from sqlglot import exp

from store.sql.bound import Bound, Output, Query, Tables, With, Withs, converted
from store.sql.bounds import Origin
from store.sql.expressions import Expressions, Rules
from store.sql.from_clause import FromBinder
from store.sql.grouping import Group, group_of
from store.sql.nodes import NODES
from store.sql.parameters import Parameters
from store.sql.pruning import narrowed, origins, passing
from store.sql.scope import Scope, column_of
from store.sql.text import QueryText
from store.sql.typed import Constant, Typed
from store.sql.types import common_type

_PARTS = (
    *("with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit", "offset"),
    "windows",
)


COPIES_MAX = 8  # ours, of a WITH query, and of those that it names
_Item: TypeAlias = tuple[Output, Typed]  # of a select list
_WITH_NAME = re.compile(r"\bq\d+\b")
COLUMNS_MAX = 10_000  # ours, of one SELECT: DuckDB needs 0.2 ms to plan each


@dataclass(slots=True)
class Binder:
    """Binds the queries of one text to one snapshot at one time."""

    query: QueryText
    tables: Tables
    now_ns: int
    in_time_order: bool = False  # sort rows of a table by time, if the query does not specify an order
    parameters: Parameters = field(default_factory=Parameters)
    merging: Callable[[exp.Select], Bound | None] | None = None  # binds a SELECT within others to partial aggregates
    _outermost: Query | None = field(default=None, init=False)
    _names: int = field(default=0, init=False)
    _withs: list[With] = field(default_factory=list, init=False)  # each names only those before

    def bind(self, node: Query) -> Bound:
        """Bind the whole query. Raises SqlError."""
        self._outermost = node
        bound = self.bind_query(node, None, {})
        for of in reversed(self._withs):
            of.settle()
        sql = bound.sql  # which requests what is read, also for those who only ask what that is
        if not self._withs:
            return bound
        texts = {of.name: of.bound.sql for of in self._withs}
        return Bound(lambda: f"WITH {', '.join(_definitions(texts, sql))} {sql}", bound.outputs)

    def wants_time_order(self, node: Query) -> bool:
        """Whether the rows of this SELECT must be sorted by time, if it specifies no other order."""
        return self.in_time_order and node is self._outermost

    def name(self, letter: str) -> str:
        """A new name."""
        self._names += 1
        return f"{letter}{self._names - 1}"

    def bind_query(self, node: Query, outer: Scope | None, withs: Withs) -> Bound:
        """Bind a query; `outer` is the scope of the enclosing query, if it is a subquery of an expression there."""
        withs = self._with(node, withs)
        if isinstance(node, exp.Subquery):
            self.query.refuse_other(node, "this", "with_", what="a subquery")
            return self.bind_query(node.this, outer, withs)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, outer, withs)
        if isinstance(node, exp.Values):  # a query here, but not for sqlglot
            return _SelectBinder(self, outer, withs).values(node)
        if isinstance(node, exp.Select):
            merged = self.merging(node) if self.merging is not None and node is not self._outermost else None
            return merged or _SelectBinder(self, outer, withs).bind(node)
        raise self.query.unsupported(node, node.key.upper())

    def _with(self, node: Query, withs: Withs) -> Withs:
        clause = node.args.get("with_")
        if clause is None:
            return withs
        self.query.refuse_other(clause, "expressions", what="WITH")
        known = dict(withs)
        for definition in clause.expressions:
            self.query.refuse_other(definition, "this", "alias", what="WITH")
            alias = definition.args["alias"]
            bound = self.bind_query(definition.this, None, known)
            names = [column.name for column in alias.args.get("columns") or ()]
            if names:
                bound = self._renamed(bound, names, alias)
            known[alias.name] = With(self.name("q"), bound)
            self._withs.append(known[alias.name])
        return known

    def _renamed(self, bound: Bound, names: list[str], at: exp.Expr) -> Bound:
        if len(names) != len(bound.outputs):
            raise self.query.mismatch(
                at, f"Column alias list has {len(names)} entries but there are {len(bound.outputs)} columns"
            )
        outputs = (replace(output, name=name) for name, output in zip(names, bound.outputs, strict=True))
        return Bound(bound.text, tuple(outputs))

    def _set_operation(self, node: exp.SetOperation, outer: Scope | None, withs: Withs) -> Bound:
        self.query.refuse_other(
            node, "this", "expression", "distinct", "order", "limit", "offset", "with_", what="a set operation"
        )
        left, right = self.bind_query(node.this, outer, withs), self.bind_query(node.expression, outer, withs)
        outputs = self._common_outputs(node, left, right)
        word = node.key.upper() if node.args.get("distinct") else f"{node.key.upper()} ALL"
        items = [Typed(f"c{index}", output.type) for index, output in enumerate(outputs)]
        tail = _SelectBinder(self, None, withs).order(node, items, outputs, Rules("ORDER BY clause"), only_outputs=True)
        types = [output.type for output in outputs]
        limit = _limit(self.query, node)
        if limit:
            outputs = tuple(replace(output, origins=()) for output in outputs)
        return Bound(
            lambda: f"({converted(left, types)}) {word} ({converted(right, types)}){tail}{limit}",
            outputs,
            left.outer_uses + right.outer_uses,
        )

    def _common_outputs(self, node: exp.SetOperation, left: Bound, right: Bound) -> tuple[Output, ...]:
        word = node.key.upper()
        if len(left.outputs) != len(right.outputs):
            raise self.query.mismatch(
                node, f"{word} query has different number of fields: {len(left.outputs)}, {len(right.outputs)}"
            )
        outputs = []
        for number, (one, other) in enumerate(zip(left.outputs, right.outputs, strict=True), start=1):
            common = common_type([(one.type, False), (other.type, False)])
            if common is None:
                raise self.query.mismatch(
                    node, f"column {number} in {word} query has incompatible types: {one.type.text}, {other.type.text}"
                )
            found = one.origins + other.origins if one.type == other.type else ()
            outputs.append(replace(one, type=common, origins=found))
        return tuple(outputs)


def _definitions(withs: Mapping[str, str], body: str) -> Iterator[str]:
    """The WITH queries as text. Those that would otherwise be computed many times are computed once, and kept.

    DuckDB copies a query to each place where it is named if the statement has a LIMIT: queries that each name the one
    before twice would be 2ⁿ of them.
    """
    named = Counter(_WITH_NAME.findall(" ".join([*withs.values(), body])))
    copies: dict[str, int] = {}  # of WITH queries within each, where it is named
    for name, sql in withs.items():
        within = 1 + sum(copies.get(other, 0) for other in _WITH_NAME.findall(sql))
        is_kept = named[name] > 1 and within * named[name] > COPIES_MAX
        copies[name] = 1 if is_kept else within
        yield f"{name} AS {'MATERIALIZED ' if is_kept else ''}({sql})"


class _SelectBinder:
    """Binds one SELECT or VALUES."""

    def __init__(self, binder: Binder, outer: Scope | None, withs: Withs) -> None:
        self._binder = binder
        self._query = binder.query
        self._withs = withs
        self._scope = Scope(binder.query, outer)
        self._expressions = Expressions(self._scope, binder.now_ns, self._inner, binder.name, NODES, binder.parameters)

    def _inner(self, node: Query, scope: Scope | None) -> Bound:
        return self._binder.bind_query(node, scope, self._withs)

    def bind(self, node: exp.Select) -> Bound:
        """The text of the SELECT."""
        self._query.refuse_other(node, *_PARTS, what="SELECT")
        if not node.expressions:
            raise self._query.syntax(self._query.offset(node) or 0, "SELECT needs at least one column")
        source = FromBinder(self._expressions, self._binder.tables, self._withs, self._inner).bind(node)
        read = narrowed(node.args["where"].this if node.args.get("where") else None, self._expressions)
        group = self._group(node)
        grouped = frozenset(typed.sql for typed in group.keys)
        items = self._items(node, Rules("SELECT", aggregates=True, windows=True, grouped=grouped))
        outputs = tuple(output for output, _ in items)
        values = [typed for _, typed in items]
        aliases = tuple((output.name, value) for output, value in zip(outputs, values, strict=True))
        rules = Rules("HAVING clause", aggregates=True, grouped=grouped, aliases=aliases)
        having = self._expressions.condition(node.args["having"].this, rules) if node.args.get("having") else None
        is_grouped = bool(group.text) or having is not None or any(value.aggregated for value in values)
        rules = Rules("ORDER BY clause", aggregates=is_grouped, windows=True, grouped=grouped, aliases=aliases)
        if is_grouped:
            self._check_grouping([*values, *([having] if having is not None else [])])
        distinct = self._distinct(node)
        order = self.order(node, values, outputs, rules, only_outputs=bool(distinct), is_grouped=is_grouped)
        columns = [f"{value.sql} AS c{index}" for index, value in enumerate(values)]
        time = None if order or distinct or is_grouped or not self._binder.wants_time_order(node) else self._time()
        if time is not None:
            columns.append(f"{time} AS ordered_by")
        rest = "".join((read.where, group.text, f" HAVING {having.sql}" if having is not None else "", order))
        rest += _limit(self._query, node)

        def text() -> str:
            start = f" FROM {source.text()}" if source else ""
            sql = f"SELECT {distinct}{', '.join(columns)}{start}{rest}"
            if time is None:
                return sql
            # after the LIMIT, so that it still limits what is read
            return f"SELECT {', '.join(f'c{index}' for index in range(len(values)))} FROM ({sql}) ORDER BY ordered_by"

        passes = passing(node, group, self._expressions, is_grouped=is_grouped)
        outputs = tuple(output if passes(value) else replace(output, origins=()) for output, value in items)
        reads = next(iter(read.bounds.values())) if len(read.bounds) == len(self._scope.relations) == 1 else None
        return Bound(text, outputs, tuple(self._scope.outer_uses), _only_row(node, values), reads)

    def _time(self) -> str | None:
        """The time of a row, if the FROM is one table."""
        if len(self._scope.relations) != 1 or self._scope.relations[0].table is None:
            return None
        (relation,) = self._scope.relations
        return next(
            (column_of(relation, column, None).sql for column in relation.columns if column.kind == "time"), None
        )

    def values(self, node: exp.Values) -> Bound:
        """The text of VALUES; each row is a tuple, which AWS's reference puts in additional parentheses."""
        self._query.refuse_other(node, "expressions", "alias", what="VALUES")
        rows = []
        for row in node.expressions:
            parts = row.expressions if isinstance(row, exp.Tuple) else [row]
            if len(parts) == 1 and isinstance(parts[0], exp.Tuple):
                parts = parts[0].expressions
            rows.append([self._expressions.bind(part, Rules("VALUES")) for part in parts])
        if len({len(row) for row in rows}) != 1:
            raise self._query.mismatch(node, "Values rows have mismatched numbers of columns")
        columns = [self._expressions.unified(node, "VALUES", list(column)) for column in zip(*rows, strict=True)]
        names = [f"c{index}" for index in range(len(columns))]
        text = ", ".join(f"({', '.join(value.sql for value in row)})" for row in zip(*columns, strict=True))
        outputs = tuple(Output(f"_col{index}", column[0].type) for index, column in enumerate(columns))
        return Bound(lambda: f"SELECT {', '.join(names)} FROM (VALUES {text}) AS v({', '.join(names)})", outputs)

    # The select list

    def _items(self, node: exp.Select, rules: Rules) -> list[_Item]:
        items: list[_Item] = []
        for item in node.expressions:
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                items += self._star(item, rules)
                continue
            is_aliased = isinstance(item, exp.Alias)
            value = item.this if is_aliased else item
            typed = self._expressions.bind(value, rules)
            name = item.alias if is_aliased else typed.column.name if typed.column else ""
            found = origins(value, typed, self._expressions, rules)
            items.append((self._output(name or f"_col{len(items)}", typed, found, is_aliased=is_aliased), typed))
        if len(items) > COLUMNS_MAX:
            raise self._query.syntax(node, f"SELECT has {len(items)} columns; {COLUMNS_MAX} are allowed")
        return items

    def _output(self, name: str, typed: Typed, found: tuple[Origin, ...], *, is_aliased: bool = False) -> Output:
        key = typed.column.relation if typed.column else None
        table = next((relation.table for relation in self._scope.relations if relation.key == key), None)
        return Output(name, typed.type, found, table, is_aliased)

    def _star(self, item: exp.Expr, rules: Rules) -> list[_Item]:
        star = item.this if isinstance(item, exp.Column) else item
        self._query.refuse_other(star, what="'*'")
        qualifier = tuple(
            part.name for key in ("catalog", "db", "table") if isinstance(part := item.args.get(key), exp.Identifier)
        )
        relations = self._scope.relations_named(qualifier)
        if not relations:
            raise self._query.unknown(
                item,
                f"Table '{'.'.join(qualifier)}' is not in FROM" if qualifier else "SELECT * needs a FROM clause",
            )
        merged = {} if qualifier else self._scope.merged
        uses: list[tuple[str, Typed, tuple[Origin, ...]]] = [
            *((name, typed, ()) for name, typed in merged.items()),
            *(
                (column.name, column_of(relation, column, self._query.offset(item)), column.origins)
                for relation in relations
                for column in relation.columns
                if column.name not in merged
            ),
        ]
        return [
            (self._output(name, typed, found), replace(typed, free=()) if typed.sql in rules.grouped else typed)
            for name, typed, found in uses
        ]

    def _distinct(self, node: exp.Select) -> str:
        distinct = node.args.get("distinct")
        if distinct is None:
            return ""
        self._query.refuse_other(distinct, what="DISTINCT")
        return "DISTINCT "

    # Grouping and order

    def _group(self, node: exp.Select) -> Group:
        """The GROUP BY: each key is a column, the alias of an output, an ordinal, or any expression."""
        clause = node.args.get("group")
        if clause is None:
            return Group()
        return group_of(self._query, clause, lambda key: self._key(node, key))

    def _key(self, node: exp.Select, key: exp.Expr) -> Typed:
        named = {item.alias: item.this for item in node.expressions if isinstance(item, exp.Alias)}
        outputs = [item.this if isinstance(item, exp.Alias) else item for item in node.expressions]
        target = key.unnest() if isinstance(key, exp.Paren) else key
        if isinstance(target, exp.Literal) and not target.is_string:
            target = outputs[self._ordinal(target, len(outputs), "GROUP BY")]
        elif isinstance(target, exp.Column) and len(target.parts) == 1 and target.name in named:
            target = target if self._scope.resolve((), target.name, None) is not None else named[target.name]
        return self._expressions.bind(target, Rules("GROUP BY clause"))

    def _ordinal(self, node: exp.Literal, count: int, clause: str) -> int:
        if not node.name.isdigit() or not 1 <= int(node.name) <= count:
            raise self._query.mismatch(node, f"{clause} position {node.name} is not in select list")
        return int(node.name) - 1

    def _check_grouping(self, values: list[Typed]) -> None:
        """Check that every column outside aggregates is in the GROUP BY."""
        own = {relation.key for relation in self._scope.relations}
        for use in (use for value in values for use in value.free):
            if use.relation in own:
                raise self._query.mismatch(
                    use.position, f"'{use.name}' must be an aggregate expression or appear in GROUP BY clause"
                )

    def order(
        self,
        node: exp.Query,
        values: list[Typed],
        outputs: tuple[Output, ...],
        rules: Rules,
        *,
        only_outputs: bool,
        is_grouped: bool = False,
    ) -> str:
        """The text of ORDER BY: by output if the key is one (its name, its number or its expression)."""
        clause = node.args.get("order")
        if clause is None:
            return ""
        self._query.refuse_other(clause, "expressions", what="ORDER BY")
        names = {output.name: index for index, output in reversed(list(enumerate(outputs)))}
        texts = {value.sql: index for index, value in reversed(list(enumerate(values)))}
        keys = []
        for ordered in clause.expressions:
            self._query.refuse_other(ordered, "this", "desc", "nulls_first", what="ORDER BY")
            key = ordered.this
            if isinstance(key, exp.Literal) and not key.is_string:
                index: int | None = self._ordinal(key, len(values), "ORDER BY")
            elif isinstance(key, exp.Column) and len(key.parts) == 1 and key.name in names:
                index = names[key.name]
            else:
                typed = self._expressions.bind(key, rules)
                if is_grouped:
                    self._check_grouping([typed])
                index = texts.get(typed.sql)
                if index is None and only_outputs:
                    raise self._query.mismatch(
                        key, "For SELECT DISTINCT and set operations, ORDER BY expressions must appear in select list"
                    )
            self._expressions.ordered(key, typed if index is None else values[index])
            text = typed.sql if index is None else str(index + 1)
            direction = "DESC" if ordered.args.get("desc") else "ASC"
            keys.append(f"{text} {direction} NULLS {'FIRST' if ordered.args.get('nulls_first') else 'LAST'}")
        return f" ORDER BY {', '.join(keys)}"


def _only_row(node: exp.Select, values: list[Typed]) -> tuple[Constant, ...] | None:
    """The row of a SELECT of constants without any further clause except a LIMIT; None for others."""
    if any(value for part, value in node.args.items() if part not in {"expressions", "limit"}):
        return None
    limit = node.args.get("limit")
    count = limit.expression.name if isinstance(limit, exp.Limit) else ""
    if limit is not None and not (count.isdigit() and int(count)):
        return None
    constants = [value.constant for value in values if value.constant is not None]
    return tuple(constants) if len(constants) == len(values) else None


def _limit(query: QueryText, node: exp.Query) -> str:
    offset = node.args.get("offset")
    skipped = ""
    if offset is not None:
        query.refuse_other(offset, "expression", what="OFFSET")
        count = offset.expression
        if not (isinstance(count, exp.Literal) and count.name.isdigit() and int(count.name) < 2**63):
            raise query.syntax(offset, "OFFSET takes a whole number")
        skipped = f" OFFSET {int(count.name)}"
    return _count(query, node.args.get("limit")) + skipped


def _count(query: QueryText, limit: exp.Expr | None) -> str:
    if limit is None:
        return ""
    if isinstance(limit, exp.Fetch):
        options = limit.args.get("limit_options")
        if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
            raise query.unsupported(limit, "FETCH with PERCENT or TIES")
        query.refuse_other(limit, "direction", "count", "limit_options", what="FETCH")
        count = limit.args.get("count") or exp.Literal.number(1)
    else:
        query.refuse_other(limit, "expression", what="LIMIT")
        count = limit.expression
    if isinstance(count, exp.Var) and count.name.upper() == "ALL":
        return ""
    if not (isinstance(count, exp.Literal) and count.name.isdigit() and int(count.name) < 2**63):
        raise query.syntax(limit, "LIMIT takes a whole number or ALL")
    return f" LIMIT {int(count.name)}"
