"""JSON whose rows are in a list within the document, read one row at a time."""

import json
from collections.abc import Iterator, Mapping
from typing import IO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import Chunks, Format, Unpacked
from ingestion.formats.json_array import Window, as_lines, read_first
from ingestion.sources import Layout, normalise

# members of the objects around a list, by their normalised names
_Members = dict[str, tuple[str, str]]
# of these objects in one document
_MOST_OBJECTS = 1_000_000


class JsonRows(Format):
    """A document with lists of rows. Lists on the way to them are passed through.

    The objects around a list may say what it is, before or after it, so that the document is read twice.

    Arguments:
        layout: the path of the lists, what the objects around them must be, and the names that rows take from these.

    """

    suffixes = (".json",)
    lines = "ndjson"

    def __init__(self, layout: Layout) -> None:
        self._path = [normalise(key) for key in (layout.rows or "").split(".") if key]
        self._shown = layout.rows
        self._conditions = {normalise(name): text.casefold() for name, text in layout.when}
        inherited = {normalise(header) for column in layout.columns for header in column.headers}
        self._inherited = inherited - set(self._path)

    def read(self, file: Unpacked) -> Readable:
        """Return one row per line, or a blank line where there is none."""
        return Chunks(as_lines(self._rows(file.seekable())))

    def _rows(self, document: IO[bytes]) -> Iterator[str]:
        wanted = self._inherited | self._conditions.keys()
        around: list[tuple[_Members, ...]] = []
        first = _Walk(_window(document), self._path, wanted)
        for place in first.lists():
            around.append(place)
            if first.window.character() == "[":
                for _ in first.window.places():
                    first.window.skip_value()
            else:
                first.window.skip_value()
            if len(around) > _MOST_OBJECTS:
                raise FileRefusedError(f"it has more than {_MOST_OBJECTS:,} lists of rows", hint="Split it.")
        if not around:
            raise FileRefusedError(f"it has no list of rows at {self._shown}", hint="Export it again.")
        document.seek(0)
        second = _Walk(_window(document), self._path, frozenset())
        for members, _ in zip(around, second.lists(), strict=True):
            merged = {key: member for each in members for key, member in each.items()}
            if any(merged.get(key, ("", ""))[1].casefold() != text for key, text in self._conditions.items()):
                second.window.skip_value()
                continue
            inherited = dict(member for key, member in merged.items() if key in self._inherited)
            elements = second.window.elements() if second.window.character() == "[" else iter([second.window.element()])
            yield from (_with(element, inherited) if inherited else element for element in elements)


class _Walk:
    """Goes through a document to its lists of rows.

    Arguments:
        window: the document.
        path: the normalised keys on the way to the lists.
        wanted: the normalised names of the members that are gathered on the way.

    """

    def __init__(self, window: Window, path: list[str], wanted: frozenset[str] | set[str]) -> None:
        self.window = window
        self._path = path
        self._wanted = wanted

    def lists(self, depth: int = 0, around: tuple[_Members, ...] = ()) -> Iterator[tuple[_Members, ...]]:
        """Go to each list, and yield the members of the objects around it. They are complete at the end only.

        The caller goes past the list.
        """
        if depth == len(self._path):
            yield around
        elif (character := self.window.character()) == "[":
            for _ in self.window.places():
                yield from self.lists(depth, around)
        elif character == "{":
            members: _Members = {}
            for key in self.window.members():
                name = normalise(key)
                if name == self._path[depth]:
                    yield from self.lists(depth + 1, (*around, members))
                elif name in self._wanted and self.window.character() not in {"[", "{"}:
                    value = json.loads(self.window.element())
                    members[name] = key, value if isinstance(value, str) else json.dumps(value)
                else:
                    self.window.skip_value()
        else:
            self.window.skip_value()


def _window(document: IO[bytes]) -> Window:
    return Window(read_first(document), document)


def _with(element: str, inherited: Mapping[str, str]) -> str:
    """Return a row with members of the objects around it, unless it has its own."""
    try:
        row = json.loads(element)
    except RecursionError:
        return element
    return json.dumps(dict(inherited) | row, ensure_ascii=False) if isinstance(row, dict) else element
