"""The meaning of each kind of node. An expression cannot contain any other kind."""

from sqlglot import exp

from store.sql.expressions import NodeBinders
from store.sql.nodes import calls, lambda_bodies, lambdas, names, nested, operators, subqueries, syntax, windows, zones

NODES: NodeBinders = {
    exp.Column: names.column,
    exp.Literal: names.literal,
    exp.Parameter: names.parameter,
    exp.Boolean: names.boolean,
    exp.HexString: names.binary,
    exp.Null: names.null,
    exp.Interval: names.interval,
    exp.Paren: operators.paren,
    exp.Neg: operators.negate,
    exp.And: operators.logical,
    exp.Or: operators.logical,
    exp.Not: operators.not_,
    exp.Is: operators.is_null,
    exp.Between: operators.between,
    exp.In: operators.in_list,
    exp.Like: operators.like,
    exp.Escape: operators.like,
    exp.Case: operators.case,
    **dict.fromkeys(operators.SIGNS, operators.binary),
    exp.All: operators.misplaced_quantifier,
    exp.Any: operators.misplaced_quantifier,
    exp.Array: nested.array,
    exp.Tuple: nested.row,
    exp.Bracket: nested.subscript,
    exp.Dot: nested.dot,
    exp.Identifier: lambda_bodies.variable,
    exp.Lambda: lambdas.misplaced,
    exp.Anonymous: calls.call,
    exp.Filter: windows.filtered,
    exp.Window: windows.window,
    exp.WithinGroup: windows.within_group,
    exp.Cast: syntax.cast,
    exp.TryCast: syntax.cast,
    exp.Extract: syntax.extract,
    exp.StrPosition: syntax.position,
    exp.Trim: syntax.trim,
    exp.AtTimeZone: zones.at_time_zone,
    exp.CurrentTimestamp: syntax.current,
    exp.CurrentDate: syntax.current,
    exp.CurrentTime: syntax.current,
    exp.Localtime: syntax.current,
    exp.Localtimestamp: syntax.current,
    exp.Subquery: subqueries.scalar_subquery,
    exp.Exists: subqueries.exists,
}

__all__ = ["NODES"]
