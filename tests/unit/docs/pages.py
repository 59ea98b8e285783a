"""The pages of the documentation, taken apart: code blocks, links, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"|<source[^>]*\ssrcset=\"([^\"]+)\"")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    page: Path
    line: int  # of its first line of code
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def all_pages() -> list[Path]:
    """README.md, the changelog, every page below docs/, and the READMEs of local/."""
    return [README, REPOSITORY / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")), *sorted(REPOSITORY.glob("local/*/*.md"))]


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """Code blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page, text.count("\n", 0, match.start(2)) + 1, match[1], match[2]) for match in _FENCE.finditer(text)
    ]
    return [block for block in found if language in (None, block.language)]


def all_blocks(language: str) -> list[Block]:
    """Code blocks in a language, of all pages."""
    return [block for page in all_pages() for block in blocks(page, language)]


def example_files() -> dict[str, str]:
    """Metadata files that the YAML blocks of all pages add or change; path relative to `metadata/` → text.

    A block says in its first line what it is: a file, or one more of the inputs of a table that stands.
    """
    found: dict[str, str] = {}
    for block in all_blocks("yaml"):
        head, _, rest = block.text.partition("\n")
        whole = re.fullmatch(r"# metadata/(\S+\.yaml)", head)
        part = re.fullmatch(r"# one more of the inputs in metadata/(\S+\.yaml)", head)
        assert whole or part, f"{block}: the first line has to name the file, such as # metadata/objects/x.yaml"
        if whole:
            found[whole[1]] = block.text
        elif part:
            standing = (REPOSITORY / "metadata" / part[1]).read_text(encoding="utf-8")
            assert standing.count("\ninputs:\n") == 1
            found[part[1]] = standing.replace("\ninputs:\n", f"\ninputs:\n{rest}")
    return found


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Targets of links and pictures."""
    return [next(group for group in match if group) for match in _LINK.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    return {_anchor(match[2]) for match in _HEADING.finditer(prose(page))}


def _anchor(heading: str) -> str:
    plain = re.sub(r"[`*]", "", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def section(page: Path, heading: str) -> str:
    """What stands below a heading, up to the next of any level."""
    text = page.read_text(encoding="utf-8")
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, f"{page.name} has no heading {heading!r}"
    return match[1]


def table(text: str) -> list[list[str]]:
    """Cells of the rows of the Markdown tables in `text`, without their heads."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = {index - 1 for index, row in enumerate(rows) if set("".join(row)) <= set("-: ")}
    return [row for index, row in enumerate(rows) if index not in heads and index - 1 not in heads]
