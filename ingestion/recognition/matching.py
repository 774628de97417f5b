"""Match a file to the declared layouts.

A name alone is never enough, because other programs use the same names. Columns alone are enough where they tell: two
of them have names of several words, and no other device's layout fits as well.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from ingestion.containment import contained
from ingestion.errors import FileRefusedError
from ingestion.load.candidates import Candidate
from ingestion.load.foreign import are_foreign, is_foreign
from ingestion.recognition.glimpse import Glimpse, Lines, Opener, candidates_in
from ingestion.sources import Column, Dataset, Layout, declared, layouts_by_labelled_name, layouts_by_name, normalise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_READABLE = re.compile(
    r"(?i).*\.(?:csv|tsv|txt|json|ndjson|jsonl|parquet|xlsx|xml|db)(?:\.(?:gz|zst|zip))?"
    r"|.*\.(?:zip|tar|tar\.gz|tgz)"
)
_FEWEST_TELLING = 2
_DECLARE = "Declare it, or rename the file after the dataset that it is: see docs/sources.md."


@dataclass(frozen=True)
class Match:
    """A dataset that a file fills.

    Arguments:
        dataset: the dataset.
        layouts: the layouts that the file may have; the load finds the one that it has.
        by: what told: the file's name with its columns, or its columns alone.

    """

    dataset: Dataset
    layouts: tuple[Layout, ...]
    by: Literal["name", "columns"]


@dataclass(frozen=True)
class Recognition:
    """What a file is.

    Arguments:
        matches: the datasets that it fills; none where it is unknown.
        reason: why it is unknown.
        hint: what to do about that.
        is_final: whether it stays so until the file changes.

    """

    matches: tuple[Match, ...] = ()
    reason: str | None = None
    hint: str | None = None
    is_final: bool = True


@dataclass(frozen=True)
class _Fit:
    dataset: Dataset
    layout: Layout
    candidate: Candidate | None

    @property
    def headers(self) -> frozenset[str]:
        """The normalised headers that the layout explains, without the participant's."""
        if self.candidate is None:
            return frozenset({self.layout.format})
        found = {normalise(name) for name in self.candidate.names}
        wanted = {normalise(text) for column in self._columns for text in column.headers}
        return frozenset(found & (wanted | {normalise(text) for group in self.layout.has for text in group}))

    @property
    def rank(self) -> tuple[int, int, bool]:
        """How much of the header the layout explains."""
        return (*(self.candidate.rank if self.candidate else (0, 0)), bool(self.layout.section))

    @property
    def way(self) -> tuple[object, ...]:
        """How the file is read to have this header."""
        return self.layout.table, self.layout.rows, self.layout.when, self.layout.section

    @property
    def is_telling(self) -> bool:
        """Whether these headers are enough to tell what the file is."""
        if self.layout.needs_name is not None:
            return not self.layout.needs_name
        if self.candidate is None:
            return True
        declared_texts = (text for column in self._columns for text in column.headers)
        texts = [*declared_texts, *(text for group in self.layout.has for text in group)]
        telling = {normalise(text) for text in texts if len(_WORD.findall(text)) > 1}
        return len(telling & self.headers) >= _FEWEST_TELLING

    @property
    def _columns(self) -> Iterable[Column]:
        return (column for column in self.layout.columns if column.name != "user_id")


class _ByColumns(NamedTuple):
    """What the columns of a file say; whether they tell it, or leave it to its name."""

    recognition: Recognition
    is_told: bool = True


def named(name: str) -> tuple[Match, ...]:
    """Return what the name of a file says alone.

    Arguments:
        name: the file's name in the landing zone.

    """
    return _matches(layouts_by_name(_basename(name)))


def _labelled(name: str) -> tuple[Match, ...]:
    """Return what a name may say after a label of the participant."""
    return _matches(layouts_by_labelled_name(_basename(name)))


def _matches(by_name: dict[Dataset, tuple[Layout, ...]]) -> tuple[Match, ...]:
    return tuple(Match(dataset, layouts, "name") for dataset, layouts in by_name.items())


def _basename(name: str) -> str:
    return name.rpartition("/")[2]


def recognise(name: str, opened: Opener) -> Recognition:
    """Return what a file is. Its beginning is read.

    Arguments:
        name: the file's name in the landing zone.
        opened: opens the file at its beginning.

    Raises:
        StorageUnavailableError: the landing zone cannot be reached.

    """
    by_name = named(name)
    if not by_name and not _READABLE.fullmatch(_basename(name)):
        return Recognition((), "no declared dataset has this name", _DECLARE)
    glimpse = Glimpse(name, opened)
    try:
        with contained(name):
            glimpse.look()
            return _by_content(by_name, by_name or _labelled(name), glimpse)
    except FileRefusedError as exc:
        # the load refuses it, and says the same; as all tables, or as the dataset that has the name itself
        tables = [match for match in by_name if any(layout.table for layout in match.layouts)]
        chosen = tables or sorted(by_name, key=lambda match: not match.layouts[0].is_own)[:1]
        if chosen:
            return Recognition(tuple(chosen), is_final=glimpse.was_read)
        return Recognition((), str(exc), exc.hint, is_final=glimpse.was_read)


def _by_content(by_name: tuple[Match, ...], may_be: tuple[Match, ...], glimpse: Glimpse) -> Recognition:
    if found := tuple(match for each in may_be if (match := _by_name(each, glimpse))):
        return _known(found)
    by_columns = _by_columns(glimpse)
    if by_name and not by_columns.is_told:
        return _left_to_the_load(by_name, glimpse)
    return by_columns.recognition


def _by_name(named: Match, glimpse: Glimpse) -> Match | None:
    """Return the match of a dataset that the name of a file says, without layouts that have other columns."""
    if glimpse.is_told_by_lines(named.layouts):
        return _in_lines(named, glimpse.header_lines)
    return _match(_fits(glimpse, [(named.dataset, named.layouts)]), "name")


# the files of a landing zone have few different headers
@lru_cache(maxsize=256)
def _in_lines(named: Match, lines: Lines) -> Match | None:
    return _match(_fits_in_lines(lines, [(named.dataset, named.layouts)]), "name")


def _by_columns(glimpse: Glimpse) -> _ByColumns:
    """Return what the columns of a file say alone."""
    everything = _everything()
    if glimpse.is_told_by_lines(layout for _, layouts in everything for layout in layouts):
        return _any_in_lines(glimpse.header_lines)
    return _told_by(_fits(glimpse, everything, is_strict=True))


@lru_cache(maxsize=256)
def _any_in_lines(lines: Lines) -> _ByColumns:
    return _told_by(_fits_in_lines(lines, _everything()))


def _told_by(fits: list[_Fit]) -> _ByColumns:
    devices = _most_telling([fit for fit in fits if fit.is_telling])
    if len(devices) > 1:
        return _ByColumns(Recognition((), f"it may be {_shown(devices)}", _DECLARE))
    if devices:
        ((_, chosen),) = devices.items()
        names = dict.fromkeys(fit.dataset.name for fit in chosen)
        matches = (_match([fit for fit in chosen if fit.dataset.name == each], "columns") for each in names)
        return _ByColumns(Recognition(tuple(match for match in matches if match)))
    if not fits:
        unknown = Recognition((), "no declared dataset has this name or these columns", _DECLARE)
        return _ByColumns(unknown, is_told=False)
    of_device: dict[str, list[_Fit]] = {}
    for fit in fits:
        of_device.setdefault(fit.layout.device, []).append(fit)
    reason = f"its columns are too common to tell, and its name says nothing: it may be {_shown(of_device)}"
    return _ByColumns(Recognition((), reason, _DECLARE), is_told=False)


@cache
def _everything() -> tuple[tuple[Dataset, tuple[Layout, ...]], ...]:
    return tuple((dataset, dataset.layouts) for dataset in declared())


# so that the files of a landing zone share it
@lru_cache(maxsize=256)
def _known(matches: tuple[Match, ...]) -> Recognition:
    return Recognition(matches)


def _fits(
    glimpse: Glimpse, layouts: Iterable[tuple[Dataset, tuple[Layout, ...]]], *, is_strict: bool = False
) -> list[_Fit]:
    fits = []
    for dataset, each in layouts:
        for layout in each:
            if layout.table and layout.format == glimpse.table_format:
                fits.append(_Fit(dataset, layout, None))
            fits += [
                _Fit(dataset, layout, candidate)
                for candidate in glimpse.candidates(dataset, layout, is_strict=is_strict)
            ]
    return fits


def _fits_in_lines(lines: Lines, layouts: Iterable[tuple[Dataset, tuple[Layout, ...]]]) -> list[_Fit]:
    return [
        _Fit(dataset, layout, candidate)
        for dataset, each in layouts
        for layout in each
        if not layout.table and not layout.section
        for candidate in candidates_in(lines, dataset, layout)
    ]


def _match(fits: list[_Fit], by: Literal["name", "columns"]) -> Match | None:
    """Return the match of a dataset: its layouts that explain most of the header."""
    if not fits:
        return None
    # the load reads a file in one way
    best = max(fits, key=lambda fit: fit.rank)
    alike = [fit.layout for fit in fits if fit.way == best.way]
    return Match(best.dataset, tuple(dict.fromkeys(alike)), by)


def _most_telling(fits: list[_Fit]) -> dict[str, list[_Fit]]:
    """Return the fits of each device, without devices whose headers another device's contain."""
    found: dict[str, list[_Fit]] = {}
    for fit in fits:
        found.setdefault(fit.layout.device, []).append(fit)
    headers = {device: frozenset[str]().union(*(fit.headers for fit in each)) for device, each in found.items()}
    return {
        device: each for device, each in found.items() if not any(headers[device] < other for other in headers.values())
    }


def _left_to_the_load(by_name: tuple[Match, ...], glimpse: Glimpse) -> Recognition:
    """Return a named file whose columns are not complete: another program's, or damaged, so that it is refused."""
    if glimpse.table_format is None and all(_is_foreign(match, glimpse) for match in by_name):
        names = " or ".join(match.dataset.name for match in by_name)
        return Recognition((), f"it is named like {names}, but has the columns of another program", _DECLARE)
    found = {normalise(name) for name in glimpse.names}

    def matched(match: Match) -> int:
        return max(len(found & layout.by_header.keys()) for layout in match.layouts)

    return Recognition((max(by_name, key=matched),))


def _is_foreign(match: Match, glimpse: Glimpse) -> bool:
    if glimpse.is_json:
        return bool(glimpse.names) and are_foreign(match.dataset, match.layouts, glimpse.names)
    lines = glimpse.beginning.decode("utf-8-sig", "replace").splitlines()[:100]
    return is_foreign(match.dataset, match.layouts, lines)


def _shown(devices: dict[str, list[_Fit]]) -> str:
    found = (f"{fit.dataset.name} of {device}" for device, each in devices.items() for fit in each)
    return " or ".join(dict.fromkeys(found))
