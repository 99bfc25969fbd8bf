"""Parses a text to one of the few kinds of statements, or raises an error with its position.

SELECT (with WITH, VALUES, set operations), also after EXPLAIN, is parsed by sqlglot; SHOW and DESCRIBE are parsed here,
token by token. Everything else is not a statement: this dialect has no DDL or administration, and DELETE is parsed on
its own (`parse_delete`), so that nothing which takes queries deletes. Size and depth are limited before any recursion
over the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from store.sql.bound import Query
from store.sql.constant_lists import QUOTED, Lists, shortened
from store.sql.dialect import Timestream
from store.sql.errors import SqlError, SyntaxInvalid
from store.sql.like import Like
from store.sql.literals import parse_interval
from store.sql.text import QueryText
from store.sql.unload import Unload, read_target

QUERY_MAX_BYTES = 262_144  # service quota "query string length"
TOKENS_MAX = 45_000  # ours, without the lists of IN: parsing, binding and DuckDB's planning take 20 µs for a constant
# ours, of names, keywords and signs: they take up to 100 µs for each, and a statement at most a second
WORDS_MAX = 10_500
DIGITS_MAX = 400  # ours, of one number: a double has at most 309 before its point
NESTING_MAX = 128  # ours, of brackets and CASEs within each other; time and `STACK_FRAMES` are for what is nested so
DELETE_NESTING_MAX = 16  # the owners of partitions bind it again, each with the stack that it has
STACK_FRAMES = 6_000  # of Python's stack: sqlglot's descent takes up to 32 for each level

_NUMBER = re.compile(r"\d+\.?\d*(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_CHEAP = {TokenType.NUMBER, TokenType.STRING, TokenType.COMMA, TokenType.ALIAS}
_QUOTES = {TokenType.STRING, TokenType.IDENTIFIER}
_AFTER_LISTS = {"FROM", "WHERE", "GROUP", "HAVING", "ORDER", "UNION", ")", "]", ",", "<EOF>"}
_QUERY_STARTS = {"SELECT", "WITH", "VALUES", "("}
_STARTS = "'SELECT', 'WITH', 'VALUES', 'SHOW', 'DESCRIBE', 'EXPLAIN', 'UNLOAD'"


@dataclass(frozen=True, slots=True)
class Name:
    """A name in SHOW or DESCRIBE, and its position."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class ShowDatabases:
    """SHOW DATABASES [LIKE pattern [ESCAPE character]]."""

    like: Like | None


@dataclass(frozen=True, slots=True)
class ShowTables:
    """SHOW TABLES [FROM database] [LIKE pattern]."""

    database: Name | None
    like: Like | None


@dataclass(frozen=True, slots=True)
class ShowMeasures:
    """SHOW MEASURES FROM database.table [LIKE pattern]."""

    database: Name
    table: Name
    like: Like | None


@dataclass(frozen=True, slots=True)
class Describe:
    """DESCRIBE database.table."""

    database: Name
    table: Name


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN query."""

    statement: Query


Statement: TypeAlias = Query | Explain | Unload | ShowDatabases | ShowTables | ShowMeasures | Describe


def parse(query: QueryText) -> Statement:
    """Parse `query`. Raises SyntaxInvalid, NotSupported; RecursionError if the stack has too few frames for it."""
    tokens, lists = _tokens_within_limits(query)
    if not tokens:
        raise query.syntax(len(query.text), f"mismatched input '<EOF>'. Expecting: {_STARTS}")
    first = tokens[0].text.upper()
    if first in _QUERY_STARTS:
        return _parse_query(query, tokens, lists)
    if first == "EXPLAIN":
        if len(tokens) == 1 or tokens[1].text.upper() not in _QUERY_STARTS:
            start, found = (tokens[1].start, tokens[1].text) if tokens[1:] else (len(query.text), "<EOF>")
            raise query.syntax(start, f"mismatched input '{found}'. Expecting: 'SELECT', 'WITH', 'VALUES'")
        return Explain(_parse_query(query, tokens[1:], lists))
    if first == "SHOW":
        return _Reader(query, tokens).show()
    if first in {"DESCRIBE", "DESC"}:
        return _Reader(query, tokens).describe()
    if first == "UNLOAD":
        return _unload(query, tokens, lists)
    if first == "DELETE":
        raise query.unsupported(
            tokens[0].start, "DELETE as a query (`streamgauge delete` and POST /v1/deletes take it)"
        )
    raise query.syntax(tokens[0].start, f"mismatched input '{tokens[0].text}'. Expecting: {_STARTS}")


def parse_delete(query: QueryText) -> tuple[exp.Delete, str]:
    """Parse a DELETE; returns it, and its text from FROM on. Raises what `parse` raises."""
    tokens, lists = _tokens_within_limits(query, DELETE_NESTING_MAX)
    words = [token.text.upper() for token in tokens[:2]]
    for place, word in enumerate(("DELETE", "FROM")):
        if words[place : place + 1] != [word]:
            start, found = (tokens[place].start, tokens[place].text) if words[place:] else (len(query.text), "<EOF>")
            raise query.syntax(start, f"mismatched input '{found}'. Expecting: '{word}'")
    statement = _parsed(query, tokens, lists)
    if not isinstance(statement, exp.Delete):
        raise query.syntax(0, "this is no DELETE")
    return statement, query.text[tokens[1].start : tokens[-1].end + 1]


def _tokens_within_limits(query: QueryText, nesting: int = NESTING_MAX) -> tuple[list[Token], Lists]:
    try:
        size = len(query.text.encode())
    except UnicodeEncodeError as error:
        raise query.syntax(error.start, "half of a surrogate pair, which is not a character") from None
    if size > QUERY_MAX_BYTES:
        raise SyntaxInvalid(f"The query is {size} bytes long; {QUERY_MAX_BYTES} are allowed")
    shorter = shortened(query.text)
    tokens = _tokenize(query, shorter.text)
    _limit_nesting(query, tokens, nesting)
    return tokens, shorter.lists


def _unload(query: QueryText, tokens: list[Token], lists: Lists) -> Unload:
    if len(tokens) < 3 or tokens[1].token_type is not TokenType.L_PAREN or tokens[2].text.upper() not in _QUERY_STARTS:
        start, found = (tokens[1].start, tokens[1].text) if tokens[1:] else (len(query.text), "<EOF>")
        raise query.syntax(start, f"mismatched input '{found}'. Expecting: '(SELECT …)'")
    end = _end_of_brackets(tokens, 1)
    if end is None:
        raise query.syntax(len(query.text), "mismatched input '<EOF>'. Expecting: ')'")
    to, options = read_target(query, tokens[end + 1 :])
    return Unload(_parse_query(query, tokens[2:end], lists), to, options)


def _end_of_brackets(tokens: list[Token], begin: int) -> int | None:
    """The place of the bracket that closes the one at `begin`."""
    depth = 0
    for place in range(begin, len(tokens)):
        kind = tokens[place].token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if not depth:
            return place
    return None


def _tokenize(query: QueryText, text: str) -> list[Token]:
    if "\0" in query.text:
        raise query.syntax(query.text.index("\0"), "a NUL character")
    try:
        tokens = Timestream().tokenize(text)
    except TokenError as error:
        raise _not_tokens(query) from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    _limit_size(tokens)
    for before, token in zip([None, *tokens], tokens, strict=False):
        is_number = token.token_type is TokenType.NUMBER or (before and before.token_type is TokenType.INTERVAL)
        if is_number and len(token.text) > DIGITS_MAX:
            raise query.syntax(token.start, f"a number of {len(token.text)} digits; {DIGITS_MAX} are allowed")
        if token.token_type is TokenType.NUMBER and not _NUMBER.fullmatch(token.text):  # sqlglot takes `5e`, `1e5-1`
            raise query.syntax(token.start, f"'{token.text}' is not a number")
        if token.token_type is TokenType.SEMICOLON:
            raise query.syntax(token.start, "mismatched input ';'. Expecting: <EOF> (one statement a query)")
        if token.text == "==" and token.token_type is TokenType.EQ:  # which sqlglot takes, like the following
            raise query.syntax(token.start, "mismatched input '=='. Expecting: '='")
    for place, before in enumerate(tokens):
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        follows = "<EOF>" if after is None else after.text.upper() if after.token_type not in _QUOTES else ""
        if before.token_type is TokenType.COMMA and follows in _AFTER_LISTS:
            raise query.syntax(after.start if after else len(query.text), f"mismatched input '{follows}' after ','")
        is_over = before.token_type is TokenType.OVER and tokens[place - 1].token_type is TokenType.R_PAREN
        if is_over and follows in _AFTER_LISTS:
            raise query.syntax(before.start, "mismatched input 'OVER'. Expecting: 'OVER (…)', or the name of a window")
    return tokens


def _limit_size(tokens: list[Token]) -> None:
    if len(tokens) > TOKENS_MAX:
        raise SyntaxInvalid(f"The query has {len(tokens)} words, numbers, texts and signs; {TOKENS_MAX} are allowed")
    words = sum(token.token_type not in _CHEAP for token in tokens)
    if words > WORDS_MAX:
        raise SyntaxInvalid(f"The query has {words} names, keywords and signs; {WORDS_MAX} are allowed")


_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
_PREFIXES = {TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE}


def _limit_nesting(query: QueryText, tokens: list[Token], most: int) -> None:
    """Reject text that is nested too deeply: brackets and CASEs, or a sequence of prefix operators."""
    depth = prefixes = 0
    for token in tokens:
        prefixes = prefixes + 1 if token.token_type in _PREFIXES else 0
        if token.token_type in _OPENING:
            depth += 1
        elif token.token_type in _CLOSING:
            depth -= 1
        if max(depth, prefixes) > most:
            raise query.syntax(token.start, f"nested deeper than {most} levels")


def _parse_query(query: QueryText, tokens: list[Token], lists: Lists) -> Query:
    statement = _parsed(query, tokens, lists)
    if not isinstance(statement, Query):
        raise query.syntax(0, f"mismatched input '{tokens[0].text}'. Expecting: {_STARTS}")
    return statement


def _parsed(query: QueryText, tokens: list[Token], lists: Lists) -> exp.Expr | None:
    parser = Timestream.Parser(dialect=Timestream(), lists=lists)
    try:
        statements = parser.parse(tokens, query.text)
    except ParseError as error:
        raise _syntax_error(query, tokens, error) from error
    except (ValueError, AttributeError, TypeError, LookupError) as error:  # sqlglot's own, for nonsense it half accepts
        raise query.syntax(None, "this is no statement") from error
    misplaced = lists.keys() - parser.placed
    if misplaced:
        raise query.syntax(min(misplaced), "a list of constants follows IN")
    return statements[0]


def _syntax_error(query: QueryText, tokens: list[Token], error: ParseError) -> SqlError:
    """The error of sqlglot in Trino's words, at the start of the token where it stopped."""
    detail = error.errors[0]
    place = next(
        (n for n, token in enumerate(tokens) if (token.line, token.col) == (detail["line"], detail["col"])), -1
    )
    description = str(detail["description"]).rstrip(".")
    is_end = description.startswith(("Expecting", "Required", "Expected table"))  # sqlglot names the last token there
    is_last = place == -1 or (is_end and place == len(tokens) - 1)
    offset = len(query.text) if is_last else tokens[place].start
    found = "<EOF>" if is_last else query.text[offset : tokens[place].end + 1]
    known = ("Invalid expression", "Expected", "Expecting", "Required")
    said = f"mismatched input '{found}'" if description.startswith(known) else description
    return query.syntax(offset, said + _expected(tokens[max(place, 0) - 1], found, description))


def _expected(before: Token, found: str, description: str) -> str:
    """The end of a message: what should stand there instead."""
    if description.startswith("Expecting "):
        said = f". Expecting: '{description.removeprefix('Expecting ')}'"
    elif before.token_type is TokenType.DCOLON:
        said = ". Expecting: 'double', 'bigint', 'boolean', 'varchar', 'timestamp'"
    else:
        said = ". Expecting: a type" if description.startswith(("Expected type", "Expected TYPE")) else ""
    if before.token_type is TokenType.NUMBER and parse_interval(f"1{found}") is not None:
        said += f" (an interval has no space: {before.text}{found})"
    return said


def _not_tokens(query: QueryText) -> SqlError:
    """Why a text cannot be split into words, numbers, texts and signs."""
    binary = _unfit_binary(query.text)
    if binary is not None:
        return query.syntax(binary, "Binary literal can only contain hexadecimal digits")
    return query.syntax(_unclosed(query.text), "a quote or a comment is not closed")


def _unfit_binary(text: str) -> int | None:
    """Where a binary begins, as X'zz', that has other characters than digits."""
    for part in QUOTED.finditer(text):
        is_binary = part[0][0] == "'" and re.search(r"\b[xX]$", text[max(0, part.start() - 2) : part.start()])
        if is_binary and part[0].endswith("'") and not re.fullmatch("'[0-9a-fA-F]*'", part[0]):
            return part.start() - 1
    return None


def _unclosed(text: str) -> int | None:
    """Where the quote or comment begins that is not closed."""
    last = None
    for part in QUOTED.finditer(text):
        last = part.start()
    return last


class _Reader:
    """Parses SHOW and DESCRIBE from their tokens."""

    def __init__(self, query: QueryText, tokens: list[Token]) -> None:
        self._query = query
        self._tokens = tokens
        self._index = 1

    def show(self) -> Statement:
        """Parse the tokens after SHOW."""
        what = self._word()
        if what == "DATABASES":
            return ShowDatabases(self._like())
        if what == "TABLES":
            database = self._name() if self._accept("FROM", "IN") else None
            return ShowTables(database, self._like())
        if what == "MEASURES":
            if not self._accept("FROM", "IN"):
                raise self._mismatch("'FROM'")
            database, table = self._qualified()
            return ShowMeasures(database, table, self._like())
        self._index -= 1
        raise self._mismatch("'DATABASES', 'TABLES', 'MEASURES'")

    def describe(self) -> Statement:
        """Parse the tokens after DESCRIBE."""
        database, table = self._qualified()
        self._end()
        return Describe(database, table)

    def _word(self) -> str:
        self._index += 1
        return self._tokens[self._index - 1].text.upper() if self._index <= len(self._tokens) else ""

    def _accept(self, *words: str) -> bool:
        if self._index < len(self._tokens) and self._tokens[self._index].text.upper() in words:
            self._index += 1
            return True
        return False

    def _name(self) -> Name:
        if self._index >= len(self._tokens) or not self._tokens[self._index].text[:1].strip("().,;'"):
            raise self._mismatch("a name")
        token = self._tokens[self._index]
        self._index += 1
        return Name(token.text, token.start)

    def _qualified(self) -> tuple[Name, Name]:
        database = self._name()
        if not self._accept("."):
            raise self._mismatch("'.' (a table is named database.table)")
        return database, self._name()

    def _like(self) -> Like | None:
        if not self._accept("LIKE"):
            self._end()
            return None
        start = self._index
        pattern = self._string("a pattern in single quotes")
        escape = self._string("a character in single quotes") if self._accept("ESCAPE") else None
        if escape is not None and len(escape) != 1:
            raise self._query.syntax(self._tokens[self._index - 1].start, "Escape string must be a single character")
        like = Like(pattern, escape)
        if (fault := like.fault()) is not None:
            raise self._query.syntax(self._tokens[start].start, fault)
        self._end()
        return like

    def _string(self, expected: str) -> str:
        if self._index >= len(self._tokens) or self._tokens[self._index].token_type is not TokenType.STRING:
            raise self._mismatch(expected)
        self._index += 1
        return self._tokens[self._index - 1].text

    def _end(self) -> None:
        if self._index < len(self._tokens):
            raise self._mismatch("<EOF>")

    def _mismatch(self, expected: str) -> Exception:
        if self._index < len(self._tokens):
            token = self._tokens[self._index]
            return self._query.syntax(token.start, f"mismatched input '{token.text}'. Expecting: {expected}")
        return self._query.syntax(len(self._query.text), f"mismatched input '<EOF>'. Expecting: {expected}")
