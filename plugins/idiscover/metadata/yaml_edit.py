"""Small changes of a YAML text that leave everything else as somebody wrote it: comments, order, quotes, line breaks.

A value is found by its path, as `yaml_text` has it, and replaced where it stands; entries are added behind the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from idiscover.metadata.yaml_text import Path


class YamlEdit:
    """Changes of one text; `text()` applies them all. Paths are those of the text as it was."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root = yaml.compose(text, Loader=yaml.SafeLoader)
        self._changes: list[tuple[int, int, str]] = []

    def has(self, path: Path) -> bool:
        """Whether there is such a value."""
        return self._find(path) is not None

    def replace(self, path: Path, value: str) -> None:
        """`value`, as YAML, in the place of the one at `path`."""
        node = self._node(path)
        self._changes.append((node.start_mark.index, _end(node), value))

    def add_keys(self, path: Path, behind: str, keys: Mapping[str, str]) -> None:
        """Keys with their values, as YAML, behind the key `behind` of the mapping at `path`."""
        parent, end = self._node(path), _end(self._node((*path, behind)))
        between = ", " if parent.flow_style else "\n" + " " * parent.value[0][0].start_mark.column
        self._changes.append((end, end, "".join(f"{between}{key}: {value}" for key, value in keys.items())))

    def remove_key(self, path: Path) -> None:
        """The key at the end of `path`, and its value, off a mapping; with the comma in front of it, or the line."""
        parent = self._node(path[:-1])
        key, value = next(pair for pair in parent.value if pair[0].value == path[-1])
        start, end = key.start_mark.index, _end(value)
        if parent.flow_style:
            start = self._text.rindex(",", 0, start)
        else:
            start, end = self._text.rfind("\n", 0, start) + 1, self._line_end(end) + 1
        self._changes.append((start, end, ""))

    def append(self, path: Path, entries: Sequence[str]) -> None:
        """Entries, each without its dash, behind the last one of the sequence at `path`."""
        sequence = self._node(path)
        self._add(sequence, len(sequence.value), entries)

    def insert(self, path: Path, position: int, entry: str) -> None:
        """An entry, without its dash, before the one at `position` of the sequence at `path`."""
        self._add(self._node(path), position, [entry])

    def text(self) -> str:
        """The text with all changes."""
        text = self._text
        for start, end, new in sorted(self._changes, key=lambda change: change[0], reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _add(self, sequence: yaml.Node, position: int, entries: Sequence[str]) -> None:
        items = sequence.value
        if sequence.flow_style:
            if position < len(items):
                start, new = items[position].start_mark.index, "".join(f"{entry}, " for entry in entries)
            else:
                start, new = _end(items[-1]), "".join(f", {entry}" for entry in entries)
            self._changes.append((start, start, new))
            return
        # the dash stands before the first thing of an item
        indent = " " * self._text[: items[0].start_mark.index].rpartition("\n")[2].index("-")
        lines = "".join(f"{indent}- {entry}\n" for entry in entries)
        if position < len(items):
            start = self._text.rfind("\n", 0, items[position].start_mark.index) + 1
        else:
            start = self._line_end(_end(items[-1])) + 1
            lines = lines if self._text[:start].endswith("\n") else f"\n{lines}"
        self._changes.append((start, start, lines))

    def _line_end(self, index: int) -> int:
        found = self._text.find("\n", index)
        return len(self._text) if found < 0 else found

    def _node(self, path: Path) -> yaml.Node:
        found = self._find(path)
        if found is None:
            raise KeyError(path)
        return found

    def _find(self, path: Path) -> yaml.Node | None:
        node = self._root
        for step in path:
            if isinstance(node, yaml.MappingNode):
                node = next((value for key, value in node.value if key.value == step), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return None
        return node


def _end(node: yaml.Node) -> int:
    """Where the node's own text ends; PyYAML lets a block reach to whatever comes next, comments included."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)
