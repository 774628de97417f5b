"""Tell the file of another program from a damaged file of a dataset. Both may have the dataset's name."""

import re
from collections.abc import Iterable, Sequence

from ingestion.load.candidates import names_in
from ingestion.sources import Column, Dataset, Layout, normalise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_DELIMITERS = ",;\t|"
# a single name is too little to tell
_FEWEST_NAMES = 2


def is_foreign(dataset: Dataset, layouts: Iterable[Layout], lines: Sequence[str]) -> bool:
    """Whether the first lines of a file have a header, and it has nothing in common with a dataset.

    A file without a header is not foreign: its rows may be those of the dataset.

    Arguments:
        dataset: the dataset that the file is named after.
        layouts: the layouts that a file of this name may have.
        lines: the first lines, without their ends.

    """
    headers = [
        fields
        for line in lines
        for delimiter in _DELIMITERS
        if _is_header(fields := list(names_in(line, delimiter, dataset.quote)))
    ]
    if not headers:
        return False
    names = [field for fields in headers for field in fields]
    # a delimiter that is none of these leaves the whole header in one field
    names += [word for field in names for word in re.findall(r"\w+", field)]
    return are_foreign(dataset, layouts, names) and not (len(lines) == 1 and _is_cut(dataset, headers[0][-1]))


def are_foreign(dataset: Dataset, layouts: Iterable[Layout], names: Iterable[str]) -> bool:
    """Whether the names of columns have nothing in common with a dataset.

    They have, if half of the columns are there that a layout needs, or any column whose name has several words. A
    name of one word, such as Id, Date or Steps, is used by everybody.

    Arguments:
        dataset: the dataset that the file is named after.
        layouts: the layouts that a file of this name may have.
        names: the names.

    """
    found = {normalise(name) for name in names}
    if len(found) < _FEWEST_NAMES:
        return False
    for layout in layouts:
        present = [column for column in layout.required if not found.isdisjoint(map(normalise, _names(column)))]
        if 2 * len(present) >= len(layout.required):
            return False
    return found.isdisjoint(_telling(dataset))


def _telling(dataset: Dataset) -> set[str]:
    """Return the normalised names of several words."""
    # the columns of `table` are those of a converted file, and no file has them
    columns = (column for layout in dataset.layouts if not layout.table for column in layout.columns)
    return {
        normalise(name)
        for column in columns
        if column.name != "user_id"
        for name in _names(column)
        if len(_WORD.findall(name)) > 1
    }


def _names(column: Column) -> tuple[str, ...]:
    return (column.name, *column.headers)


def _is_cut(dataset: Dataset, last: str) -> bool:
    """Whether the last name of a header without rows is the beginning of one of the dataset's."""
    return any(name.startswith(normalise(last)) for name in _telling(dataset))


def _is_header(fields: list[str]) -> bool:
    """Whether these may be names of columns: several, and none that begins like a number or a date."""
    named = [field.strip() for field in fields if field.strip()]
    return len(named) >= _FEWEST_NAMES and all(field[0].isalpha() for field in named)
