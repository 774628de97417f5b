"""The layouts that a file may have by its name."""

from collections.abc import Iterator
from functools import cache, lru_cache

from ingestion.sources.declarations import declared
from ingestion.sources.model import Dataset, Layout

_UNTELLING = str.maketrans("", "", " ._-0123456789")


# a name is asked for several times while its file is loaded
@lru_cache(maxsize=1024)
def layouts_by_name(basename: str) -> dict[Dataset, tuple[Layout, ...]]:
    """Return the layouts of each dataset that a file of this name may have; nobody may change the dictionary.

    Arguments:
        basename: the name, without folders.

    """
    return _by_dataset(
        (each, layout) for each, layout in _with_stem_in(_squeezed(basename)) if layout.pattern.fullmatch(basename)
    )


def layouts_by_labelled_name(basename: str) -> dict[Dataset, tuple[Layout, ...]]:
    """Return those that it may have if its name begins with a label of the participant, and its columns agree.

    Arguments:
        basename: the name, without folders.

    """
    return _by_dataset(
        (each, layout)
        for each, layout in _with_stem_in(_squeezed(basename))
        if layout.labelled_pattern.fullmatch(basename)
    )


def _by_dataset(found: Iterator[tuple[Dataset, Layout]]) -> dict[Dataset, tuple[Layout, ...]]:
    layouts: dict[Dataset, tuple[Layout, ...]] = {}
    for dataset, layout in found:
        layouts[dataset] = (*layouts.get(dataset, ()), layout)
    return layouts


# the names in a landing zone differ in digits
@lru_cache(maxsize=1024)
def _with_stem_in(squeezed: str | None) -> tuple[tuple[Dataset, Layout], ...]:
    """Return the layouts with a stem that may be in a name. That is found much faster than a pattern is matched."""
    found = [pair for stem, pair in _stems() if stem is None or squeezed is None or stem in squeezed]
    return tuple(dict.fromkeys(found))


@cache
def _stems() -> tuple[tuple[str | None, tuple[Dataset, Layout]], ...]:
    return tuple(
        (_squeezed(stem), (dataset, layout))
        for dataset in declared()
        for layout in dataset.layouts
        for stem in layout.stems
    )


def _squeezed(text: str) -> str | None:
    """Return a text in lower case, without digits and what may stand for `_` in a stem.

    None where its letters are not of ASCII: a pattern takes some of these for letters of ASCII.
    """
    return text.lower().translate(_UNTELLING) if text.isascii() else None
