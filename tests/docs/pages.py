"""The documents as data: fenced blocks, code spans, tables, links, and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CONTINUED = re.compile(r"\\\n\s*")
_COMMENT = re.compile(r"(^|\s)# .*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def title(self) -> str:
        """The first line, which in YAML is a comment that says what it is."""
        return self.text.split("\n", 1)[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(name: str) -> str:
    """A page of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def unwrapped(name: str) -> str:
    """A page of docs/, every run of white space as one space: sentences are searched for, wherever a line ends."""
    return " ".join(text_of(name).split())


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(str(page.relative_to(ROOT)), line, match[1], match[2]))
    return [block for block in found if block.language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans() -> list[tuple[str, str]]:
    """(page, text) of every code span outside of blocks."""
    return [(page.name, span) for page in PAGES for span in _SPAN.findall(prose(page))]


def links() -> list[tuple[Path, str]]:
    """(page, target) of every link that leads to no other host."""
    return [
        (page, target) for page in PAGES for target in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)
    ]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def first_column(text: str, heading: str) -> list[str]:
    """The code spans in the first column of the first table under a heading."""
    section = text.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None, heading
    rows = table[0].splitlines()[2:]
    return [span for row in rows for span in _SPAN.findall(row.split("|")[1])]


def shell_commands(block: Block) -> Iterator[list[str]]:
    """The words of each `streamgauge …` command of a shell block."""
    text = _COMMENT.sub("", _CONTINUED.sub(" ", block.text))
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|;&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    command: list[str] = []
    for word in [*lexer, "\n"]:
        if not set(word) <= set("|;&\n"):
            command.append(word)
        elif command:
            name, *arguments = command
            if name in {"streamgauge", ".venv/bin/streamgauge"}:
                yield arguments
            command = []
