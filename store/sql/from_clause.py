"""FROM: converts tables, subqueries and joins to relations of the scope, and to text when bounds are known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from store.errors import UnknownDatabase, UnknownTable
from store.reading.past import AsOf
from store.sql.bound import BindQuery, Bound, Output, Query, Tables, Withs
from store.sql.bounds import Bounds, Origin
from store.sql.comparisons import compared
from store.sql.expressions import Expressions, Rules, joined
from store.sql.scope import Relation, SourceColumn, column_of
from store.sql.text import QueryText, position
from store.sql.typed import Typed, coerce
from store.sql.types import (
    BIGINT,
    DATE,
    INTEGER,
    MEASURE_TYPES,
    TIMESTAMP,
    VARCHAR,
    ArrayType,
    MapType,
    RowType,
    SqlType,
    TimeSeriesType,
)
from store.values.sql_text import quote_name

RELATIONS_MAX = 100  # ours, of one FROM: DuckDB's planning of joins takes time with the square of their number
_SIDES = {"": "", "LEFT": "LEFT ", "RIGHT": "RIGHT ", "FULL": "FULL "}


@dataclass(slots=True)
class FromClause:
    """The relations of one FROM in order, each with the text that joins it to the previous ones."""

    tables: Tables
    _parts: list[tuple[str, Relation, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, before: str, relation: Relation, after: str) -> None:
        """Add a relation; `before` is a comma or JOIN, `after` the ON."""
        self._parts.append((before, relation, after))

    def text(self) -> str:
        """The clause, with each table read within its bounds."""
        return "".join(
            f"{before}{self._source(relation)} AS {relation.key}{relation.sample}{after}"
            for before, relation, after in self._parts
        )

    def _source(self, relation: Relation) -> str:
        if relation.table is None:
            return relation.text()
        limits = relation.bounds
        return self.tables.source(
            relation.table,
            time_from_ns=limits.time_from_ns,
            time_to_ns=limits.time_to_ns,
            dimensions=limits.selected or None,
            columns={name.strip('"') for name in relation.used},
            as_of=relation.as_of,
        )


class FromBinder:
    """Binds one FROM in the scope of `expressions`."""

    def __init__(self, expressions: Expressions, tables: Tables, withs: Withs, bind_query: BindQuery) -> None:
        self._expressions = expressions
        self._scope = expressions.scope
        self._query: QueryText = expressions.query
        self._tables = tables
        self._withs = withs
        self._bind_query = bind_query

    def bind(self, node: exp.Select) -> FromClause:
        """Bind the FROM of a SELECT; empty if it has none."""
        clause = FromClause(self._tables)
        start = node.args.get("from_")
        if start is None:
            return clause
        clause.add("", self._relation(start.this), "")
        for join in node.args.get("joins") or ():
            self._join(clause, join)
        return clause

    def _join(self, clause: FromClause, join: exp.Join) -> None:
        self._query.refuse_other(join, "this", "side", "kind", "on", "using", "method", what="a JOIN")
        side, kind, condition = join.side.upper(), join.kind.upper(), join.args.get("on")
        method = str(join.args.get("method") or "").upper()
        if side not in _SIDES or kind not in {"", "INNER", "OUTER", "CROSS"} or method not in {"", "NATURAL"}:
            raise self._query.unsupported(join, f"{method} {side} {kind} JOIN".strip())
        before = list(self._scope.relations)
        relation = self._relation(join.this)
        if isinstance(join.this, exp.Lateral) and not _is_of_all_rows(side, condition, method, join):
            raise self._query.syntax(join, "LATERAL is joined by CROSS JOIN, or by JOIN or LEFT JOIN with ON true")
        if method or join.args.get("using"):
            clause.add(f" {_SIDES[side]}JOIN ", relation, f" ON {self._using(join, side, before, relation)}")
            return
        if condition is None:
            if (
                side
                or kind in {"INNER", "OUTER"}
                or (not kind and _follows_join(self._query.text, position(join.this)))
            ):
                raise self._query.syntax(join, "a JOIN needs ON; without one write CROSS JOIN")
            clause.add(" CROSS JOIN ", relation, "")
            return
        typed = self._expressions.condition(condition, Rules("JOIN clause"))
        clause.add(f" {_SIDES[side]}JOIN ", relation, f" ON {typed.sql}")

    def _using(self, join: exp.Join, side: str, before: list[Relation], relation: Relation) -> str:
        """The condition that columns of one name are equal; in the scope they become one column."""
        if join.args.get("using"):
            names = [column.name for column in join.args["using"]]
        else:
            known = {column.name for other in before for column in other.columns}
            names = [column.name for column in relation.columns if column.name in known]
        conditions = []
        for name in names:
            left = self._scope.merged.get(name) or self._only(join, before, name, "left")
            right = self._only(join, [relation], name, "right")
            left, right = self._expressions.unified(join, "USING", [left, right])
            conditions.append(compared("=", left, right))
            both = joined(f"coalesce({left.sql}, {right.sql})", left.type, [left, right])
            self._scope.merged[name] = both if side == "FULL" else right if side == "RIGHT" else left
        return " AND ".join(conditions) or "true"

    def _only(self, join: exp.Join, relations: list[Relation], name: str, side: str) -> Typed:
        """The only column of this name in some relations."""
        found = [(relation, column) for relation in relations for column in relation.columns if column.name == name]
        if len(found) != 1:
            problem = "is ambiguous" if found else "does not exist"
            raise self._query.unknown(join, f"Column '{name}' {problem} on the {side} side of the join")
        return column_of(*found[0], position(join))

    def _relation(self, node: exp.Expr) -> Relation:
        if isinstance(node, exp.Table):
            relation = self._table(node)
        elif isinstance(node, exp.Lateral):
            relation = self._lateral(node)
        elif isinstance(node, (exp.Subquery, exp.Values)):
            relation = self._subquery(node)
        elif isinstance(node, exp.Unnest):
            relation = self._unnest(node)
        else:
            raise self._query.unsupported(node, f"{node.key.upper()} in FROM")
        if isinstance(node.args.get("sample"), exp.TableSample):
            relation.sample = self._sample(node.args["sample"])
        if any(name in other.names for other in self._scope.relations for name in relation.names if len(name) == 1):
            raise self._query.syntax(node, f"'{relation.names[0][-1]}' stands twice in FROM; give one an alias")
        self._scope.relations.append(relation)
        if len(self._scope.relations) > RELATIONS_MAX:
            raise self._query.syntax(node, f"more than {RELATIONS_MAX} tables and subqueries in one FROM")
        return relation

    def _lateral(self, node: exp.Lateral) -> Relation:
        """A subquery that can use the columns of what precedes it."""
        self._query.refuse_other(node, "this", "alias", what="LATERAL")
        if not isinstance(node.this, exp.Subquery):
            raise self._query.unsupported(node, "LATERAL without a subquery")
        bound = self._bind_query(node.this, self._scope)
        return self._aliased(node, None, bound, lambda: f"LATERAL ({bound.sql})")

    def _sample(self, node: exp.TableSample) -> str:
        """The text of TABLESAMPLE BERNOULLI (10) or SYSTEM (10): each row with this probability in percent."""
        self._query.refuse_other(node, "method", "percent", what="TABLESAMPLE")
        method, percent = node.args.get("method"), node.args.get("percent")
        if not isinstance(method, exp.Var) or method.name.upper() not in {"BERNOULLI", "SYSTEM"}:
            raise self._query.syntax(node, "TABLESAMPLE needs a method, BERNOULLI or SYSTEM")
        if not isinstance(percent, exp.Literal) or percent.is_string or float(percent.name) > 100:
            raise self._query.mismatch(node, "TABLESAMPLE takes a constant percentage from 0 to 100")
        return f" TABLESAMPLE bernoulli({float(percent.name):f} PERCENT)"

    def _table(self, node: exp.Table) -> Relation:
        if node.args.get("catalog") is not None:
            raise self._query.syntax(node, 'a table is named "database"."table", in two parts')
        self._query.refuse_other(node, "this", "db", "alias", "sample", "version", what="a table of FROM")
        if not isinstance(node.this, exp.Identifier):
            raise self._query.unsupported(node, "A function in FROM")
        name, database = node.name, node.args.get("db")
        if database is None:
            known = self._withs.get(name)
            if known is not None and node.args.get("version") is not None:
                raise self._query.syntax(node, "a WITH query has no versions: AS OF follows the name of a table")
            if known is None:
                raise self._query.unknown(node, f'Table \'{name}\' is not qualified; write "database"."{name}"')
            named = known.named()
            return self._aliased(node, name, named, named.text)
        relation = self._stored(node, database.name, name)
        if isinstance(node.args.get("version"), exp.Version):
            relation.as_of = self._as_of(node.args["version"])
        self._rename(relation, node.args.get("alias"))
        return relation

    def _as_of(self, node: exp.Version) -> AsOf:
        """`FOR TIMESTAMP AS OF ago(1h)`, `FOR VERSION AS OF 17`."""
        kind, target = (node.name.upper(), str(node.args.get("kind")).upper()), node.expression
        if kind not in {("TIMESTAMP", "AS OF"), ("VERSION", "AS OF")} or target is None:
            raise self._query.syntax(node, "a version is FOR TIMESTAMP AS OF …, or FOR VERSION AS OF …")
        value = self._expressions.bind(target, Rules("AS OF"))
        if kind[0] == "TIMESTAMP":
            time = coerce(value, TIMESTAMP) if value.type in {TIMESTAMP, DATE, VARCHAR} else None
            if time is None or not isinstance(time.constant, int):
                raise self._query.mismatch(target, "FOR TIMESTAMP AS OF needs a time that is known without reading")
            return AsOf(time_ns=time.constant)
        if value.type not in {INTEGER, BIGINT} or not isinstance(value.constant, int) or value.constant < 0:
            raise self._query.mismatch(target, "FOR VERSION AS OF needs the number of a version")
        return AsOf(number=value.constant)

    def _stored(self, node: exp.Table, database: str, name: str) -> Relation:
        offset = position(node)
        line, column = self._query.place(offset or 0)
        try:
            schema = self._tables.schema(database, name)
        except UnknownDatabase:
            raise self._query.not_found(
                f"Requested database '{database}' not found for identifier '{database}.{name}' at line {line}:{column}",
                (line, column),
            ) from None
        except UnknownTable:
            raise self._query.not_found(
                f"Requested table '{name}' not found for identifier '{database}.{name}' at line {line}:{column}",
                (line, column),
            ) from None
        bounds = Bounds()
        columns = tuple(
            SourceColumn(
                column.name,
                MEASURE_TYPES[column.type],
                quote_name(column.physical),
                column.kind if column.expression is None else "expression",  # it cannot be used to find rows
                (Origin(bounds, column.name, column.kind, schema.settings.zone),)
                if column.expression is None and column.kind in {"time", "dimension", "zone", "measure_name"}
                else (),
            )
            for column in schema.columns
        )
        named = (name,), (database, name)
        return Relation(self._expressions.name("t"), named, columns, schema.table, bounds=bounds)

    def _subquery(self, node: exp.Subquery | exp.Values) -> Relation:
        if isinstance(node, exp.Subquery):
            self._query.refuse_other(node, "this", "alias", "with_", "sample", what="a subquery of FROM")
            inner = node.this
        else:
            inner = node
        if not isinstance(inner, Query):
            raise self._query.unsupported(node, "A parenthesised table in FROM")
        bound = self._bind_query(inner, None)
        return self._aliased(node, None, bound, lambda: f"({bound.sql})")

    def _unnest(self, node: exp.Unnest) -> Relation:
        """The elements of arrays as rows, side by side; the parts of rows, time series and maps as columns."""
        self._query.refuse_other(node, "expressions", "alias", "offset", what="UNNEST")
        arrays = [self._expressions.bind(part, Rules("UNNEST")) for part in node.expressions]
        elements: list[tuple[str, SqlType, str]] = []
        unnested = []
        for number, array in enumerate(arrays):
            kind = array.type.rows if isinstance(array.type, TimeSeriesType | MapType) else array.type
            if not isinstance(kind, ArrayType):
                raise self._query.mismatch(node, f"Cannot unnest type: {array.type.text}")
            unnested.append(f"unnest({array.sql}) AS u{number}")
            if isinstance(kind.element, RowType):
                fields = enumerate(kind.element.fields)
                elements += [(name, field, f"struct_extract(u{number}, 'f{place}')") for place, (name, field) in fields]
            else:
                elements.append(("", kind.element, f"u{number}"))
        alias, ordinality = node.args.get("alias"), node.args.get("offset")
        if ordinality:
            longest = f"greatest({', '.join(f'len({array.sql})' for array in arrays)}, 0)"
            unnested.append(f"unnest(range(1, {longest} + 1)) AS n")
            elements.append(("", BIGINT, "n"))
            if isinstance(ordinality, exp.Identifier) and alias is not None:  # sqlglot takes the last name away
                alias.append("columns", ordinality)
        columns = ", ".join(f"{text} AS c{place}" for place, (_, _, text) in enumerate(elements))
        outputs = tuple(Output(name or f"_col{place}", kind) for place, (name, kind, _) in enumerate(elements))
        sql = f"(SELECT {columns} FROM (SELECT {', '.join(unnested)}))"  # noqa: S608 - bound expressions
        return self._aliased(node, None, Bound(str, outputs), lambda: sql)

    def _aliased(self, node: exp.Expr, name: str | None, bound: Bound, text: Callable[[], str]) -> Relation:
        columns = tuple(
            SourceColumn(output.name, output.type, f"c{index}", origins=output.origins)
            for index, output in enumerate(bound.outputs)
        )
        names = () if name is None else ((name,),)
        relation = Relation(self._expressions.name("t"), names, columns, text=text)
        self._rename(relation, node.args.get("alias"))
        return relation

    def _rename(self, relation: Relation, alias: exp.TableAlias | None) -> None:
        """Apply the names of an AS: `AS t` or `AS t(a, b)`."""
        if alias is None:
            return
        if alias.this is not None:
            relation.names = ((alias.name,),)
        names = [column.name for column in alias.args.get("columns") or ()]
        if names:
            if len(names) != len(relation.columns):
                raise self._query.mismatch(
                    alias, f"Column alias list has {len(names)} entries but there are {len(relation.columns)} columns"
                )
            relation.columns = tuple(
                replace(column, name=name) for name, column in zip(names, relation.columns, strict=True)
            )


def _is_of_all_rows(side: str, condition: exp.Expr | None, method: str, join: exp.Join) -> bool:
    """Whether a join has no condition but that there are rows."""
    is_true = condition is None or (isinstance(condition, exp.Boolean) and bool(condition.this))
    return side in {"", "LEFT"} and is_true and not method and not join.args.get("using")


_AFTER_JOIN = re.compile(r"\bJOIN[\s(\"]*(?:LATERAL|VALUES|SELECT|WITH|ARRAY|[\s(\"'\[])*$", re.IGNORECASE)


def _follows_join(text: str, offset: int | None) -> bool:
    """Whether what begins here is joined by the word JOIN, not by a comma, which sqlglot does not distinguish."""
    return offset is not None and _AFTER_JOIN.search(text[:offset]) is not None
