"""A streamgauge.yaml, the environment and the options of a command → a `Config`. Later sources win.

Relative paths in the file are relative to the file's folder; in the environment and in options, to the working folder.
All problems are reported together, each as `file:line: key.path: what is wrong`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.base.errors import ConfigError
from pipeline.config.document import read_document
from pipeline.config.environment import overrides_in
from pipeline.config.model import Config
from pipeline.config.problems import show_path
from pipeline.config.validation_errors import problems_of
from store.values.urls import without_user_parts
from store.values.yaml_text import Document, KeyPath, Problem

OPTIONS: Mapping[str, KeyPath] = {
    "--data-dir": ("data_dir",),
    "--mqtt": ("listener", "address"),
    "--http": ("http", "address"),
    "--console": ("console", "address"),
    "--log": ("log", "url"),
}
"""The command's options that are settings, and which."""


FILES = ("ca", "certificate", "key", "client_ca")
"""The keys of sections about TLS whose values are paths of files."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the origins of its settings (file:line, a variable or an option), and the file, if any.

    `again` loads it again, from what the file says then. Raises ConfigError.
    """

    config: Config
    origins: Mapping[KeyPath, str]
    path: Path | None
    again: Callable[[], Config]


def load_config(
    path: Path | None = None, environ: Mapping[str, str] | None = None, overrides: Mapping[str, str] | None = None
) -> Config:
    """The configuration from the file at `path` (or none), `environ`, and `overrides`, by option (`--http`).

    Raises ConfigError, which lists everything that is wrong.
    """
    return load(path, environ or {}, overrides or {}).config


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, str]) -> Loaded:
    """As `load_config`, with the origins."""
    document = Document() if path is None else read_document(_read(path), environ)
    tree: Any = document.values if document.values is not None else {}
    origins = _Origins(path, document)
    if path is not None:
        _resolve_paths(tree, path.absolute().parent)
    variables, bad_variables = overrides_in(environ)
    for override in variables:
        _put(tree, override.path, override.value)
        origins.by_hand[override.path] = override.variable
    for option, text in overrides.items():
        _put(tree, OPTIONS[option], text)
        origins.by_hand[OPTIONS[option]] = option

    found = document.problems
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        known_bad = {problem.path for problem in found}
        found = found + [problem for problem in problems_of(error) if problem.path not in known_bad]
    if found or bad_variables:
        found = sorted(found, key=lambda problem: document.line_of(problem.path) or 0)
        lines = [f"{origins.of(problem.path)}{_told(problem)}" for problem in found] + [*map(_told, bad_variables)]
        raise ConfigError("\n".join(dict.fromkeys(lines)))
    return Loaded(config, origins.known(), path, lambda: load(path, environ, overrides).config)


class _Origins:
    """The origin of each setting."""

    def __init__(self, path: Path | None, document: Document) -> None:
        self._path = path
        self._document = document
        self.by_hand: dict[KeyPath, str] = {}

    def of(self, path: KeyPath) -> str:
        """`origin: ` of the setting at `path`, or of its section; empty for defaults."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.by_hand:
                return f"{self.by_hand[path[:length]]}: "
        if self._path is None:
            return ""
        line = self._document.line_of(path)
        return f"{self._path}: " if line is None else f"{self._path}:{line}: "

    def known(self) -> Mapping[KeyPath, str]:
        of_file = {path: f"{self._path}:{line}" for path, line in self._document.lines.items()}
        return {**of_file, **self.by_hand}


def _told(problem: Problem) -> str:
    path, message = show_path(problem.path), without_user_parts(problem.message)
    return f"{path}: {message}" if path else message


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        ) from error


def _resolve_paths(tree: dict[str, Any], folder: Path) -> None:
    """Make the paths of a file absolute. Values that are not text are left to validation."""
    if isinstance(tree.get("data_dir"), str):
        tree["data_dir"] = str(folder / tree["data_dir"])
    magnetic = tree.get("magnetic")
    url = magnetic.get("url") if isinstance(magnetic, dict) else None
    if isinstance(magnetic, dict) and isinstance(url, str) and url and "://" not in url:
        magnetic["url"] = str(folder / url)
    for tls in _tls_sections(tree):
        tls.update({key: str(folder / tls[key]) for key in FILES if isinstance(tls.get(key), str)})
    rules = tree.get("rules")
    if isinstance(rules, list):
        tree["rules"] = [str(folder / rule) if isinstance(rule, str) else rule for rule in rules]


def _tls_sections(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sections whose keys are names of files (`FILES`)."""
    sections = [tree.get(name) for name in ("listener", "http", "log")]
    brokers = tree.get("brokers")
    sections += brokers if isinstance(brokers, list) else []
    within = [section.get("tls") for section in sections if isinstance(section, dict)]
    for found in (*within, tree.get("peers")):
        if isinstance(found, dict):
            yield found


def _put(tree: dict[str, Any], path: KeyPath, value: object) -> None:
    """Set the value at `path`, a path of keys. If `log` is a text, it first becomes the url of its section."""
    here = tree
    for part in path[:-1]:
        inner = here.get(str(part))
        if not isinstance(inner, dict):
            inner = here[str(part)] = {"url": inner} if path[0] == "log" and isinstance(inner, str) else {}
        here = inner
    here[str(path[-1])] = value
