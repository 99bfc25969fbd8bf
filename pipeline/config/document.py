"""A streamgauge.yaml as plain values with their line numbers, and with `${NAME}` replaced from the environment.

Refuses what YAML would accept silently (`store.values.yaml_text`), and a `${NAME}` that is not in the environment.
`$${NAME}` is the text `${NAME}` itself. Text in, values and problems out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from store.values.yaml_text import Document, KeyPath, NotYaml, Problem, read

_REFERENCE = re.compile(r"\$(\$?)\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_document(text: str, environ: Mapping[str, str]) -> Document:
    """The document in `text`, a mapping. Contains the problems of its form; does not raise for them."""
    problems: list[Problem] = []

    def fill_in(written: str, path: KeyPath) -> str | None:
        if "${" not in written:
            return None
        filled_in, wrong = _filled_in(written, environ)
        problems.extend(Problem(path, message) for message in wrong)
        return filled_in

    try:
        document = read(text, fill_in)
    except NotYaml as error:
        path: KeyPath = () if error.line is None else ("",)
        lines: dict[KeyPath, int] = {} if error.line is None else {path: error.line}
        return Document({}, lines, [Problem(path, str(error))])
    document.problems += problems
    if not isinstance(document.values, dict):
        if document.values is not None or document.lines:
            told = f"the file holds {_kind(document.values)}; it is a mapping of settings"
            document.problems.append(Problem((), told))
        document.values = {}
    return document


def _filled_in(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """`text` with its variables replaced, and the problems found."""
    wrong = []

    def replacement(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return match.group(0)[1:]
        if not _NAME.fullmatch(name):
            wrong.append(f'"{match.group(0)}" does not name a variable, as ${{NAME}} does')
        elif name not in environ:
            wrong.append(
                f"${{{name}}} is not in the environment; set {name}, or write $${{{name}}} for the text itself"
            )
        return environ.get(name, "")

    return _REFERENCE.sub(replacement, text), wrong


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else repr(value)
