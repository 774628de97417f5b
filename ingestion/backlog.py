"""The backlog: which files of a landing zone are to be loaded.

`ingest` acts on these decisions and `ls` shows them. No other module makes them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Literal

from ingestion.load.stream import checksum_of
from ingestion.manifest import Contents, LoadedFile, Original
from ingestion.recognition import Memory, named, recognise
from ingestion.results import FileResult
from ingestion.sources import Dataset, Layout, declared, part_in, person_in
from ingestion.storage import Storage, StoredFile, archive_of, is_inside
from ingestion.twins import twin_remarks

State = Literal["new", "changed", "known", "duplicate", "retracted", "unsettled", "unknown"]


@dataclass(frozen=True)
class Item:
    """A listed file and one of its datasets. A file with several datasets is several items.

    Arguments:
        file: the file, as listed.
        dataset: its dataset, None where it is unknown.
        is_unsettled: whether it was written so recently that it may still grow.
        layouts: the layouts that it may have; none where it is not like the dataset that was loaded under its name.
        datasets: the number of datasets that it has.
        reason: why it is unknown.
        hint: what to do about that.

    """

    file: StoredFile
    dataset: Dataset | None
    is_unsettled: bool = False
    layouts: tuple[Layout, ...] = ()
    datasets: int = 1
    reason: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Decision:
    """Whether an item is to be loaded, and why not.

    Arguments:
        state: `new` and `changed` items are to be loaded; the others are not.
        reason: why it is not loaded, where the state does not say it all, or what is strange about it.
        hint: what to do to have it loaded.
        checksum: SHA-256 of its bytes in hexadecimal, where they were read.
        original: for a duplicate, the loaded file of the same participant with the same bytes.

    """

    state: State
    reason: str | None = None
    hint: str | None = None
    checksum: str | None = None
    original: Original | None = None

    @property
    def is_due(self) -> bool:
        """Whether the item is to be loaded."""
        return self.state in {"new", "changed"}


class Backlog:
    """Lists a landing zone and decides about each file.

    Arguments:
        storage: the landing zone.
        contents: the contents that the manifest knows.
        only: the names to list; empty means all.
        since: files last written before this time are left out.
        min_age_seconds: files written more recently than this are unsettled.
        force: load what is loaded or retracted, too.
        memory: what files were recognised as before.

    """

    def __init__(
        self,
        storage: Storage,
        *,
        contents: Contents | None = None,
        only: frozenset[str] = frozenset(),
        since: datetime | None = None,
        min_age_seconds: float = 0.0,
        force: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self.memory = memory or Memory()
        self.storage = storage
        contents = contents or Contents()
        # by name; a file with several tables is loaded once for each dataset
        self._loaded: dict[str, tuple[LoadedFile, ...]] = {}
        for file in contents.loaded:
            self._loaded[file.filename] = (*self._loaded.get(file.filename, ()), file)
        self._retracted = contents.retracted
        self._duplicates = contents.duplicates
        self._only = only
        self._since = since
        self._min_age_seconds = min_age_seconds
        self._force = force
        # a file of another size cannot have known bytes, and is not read
        self._sizes = {file.size for file in contents.loaded} | set(self._retracted.values())
        self._unseen = set(self._loaded)
        self._outdated: set[tuple[str, str]] = set()
        self._of_no_dataset: Counter[str] = Counter()
        self._unsettled_archives: set[str] = set()
        self._archives = _LoadedArchives(self._loaded)
        self.listed_files = 0
        self.recognised_files = 0
        self.confirmed_versions: dict[int, str] = {}

    def items(self) -> Iterator[Item]:
        """List the landing zone. Only one thread at a time may advance the iterator."""
        for file in self.storage.list():
            self.listed_files += 1
            if self._only and not is_inside(file.name, self._only):
                continue
            self._archives.note(file.name)
            self._unseen.discard(file.name)
            if self._since and file.modified_at and file.modified_at < self._since:
                self.recognised_files += bool(named(file.name))
            elif self._is_unsettled(file):
                self.recognised_files += 1
                yield from self._held_back(file)
            else:
                yield from self._recognised(file)

    def _held_back(self, file: StoredFile) -> Iterator[Item]:
        """Yield a file that may still grow, or its archive, once."""
        archive = archive_of(file.name)
        if archive and file.name not in self._only:
            if archive not in self._unsettled_archives:
                self._unsettled_archives.add(archive)
                yield Item(replace(file, name=archive), None, is_unsettled=True)
            return
        by_name = named(file.name)
        yield Item(file, by_name[0].dataset if by_name else None, is_unsettled=True)

    def _recognised(self, file: StoredFile) -> Iterator[Item]:
        """Yield a file with each of its datasets, and with those that it was loaded as and no longer is."""
        found = self.memory.recall(file)
        if found is None:
            found = recognise(file.name, partial(self.storage.open, file))
            if found.is_final:
                self.memory.add(file, found)
        self.recognised_files += bool(found.matches)
        layouts = {match.dataset.name: match.layouts for match in found.matches}
        of_file = [match.dataset for match in found.matches]
        others = {each.dataset for each in self._loaded.get(file.name, ())} - layouts.keys()
        of_file += [dataset for dataset in declared() if dataset.name in others] if others else []
        for dataset in of_file:
            yield Item(file, dataset, layouts=layouts.get(dataset.name, ()), datasets=len(of_file))
        by_name = named(file.name) if file.name in self._only and not of_file else ()
        if by_name:
            # a person asks for it, and is told why it cannot be loaded
            yield Item(file, by_name[0].dataset, layouts=by_name[0].layouts)
        elif not of_file and (archive := archive_of(file.name)):
            self._of_no_dataset[archive] += 1
        elif not of_file:
            yield Item(file, None, reason=found.reason, hint=found.hint)

    def of_no_dataset(self) -> Iterator[FileResult]:
        """Yield one result for each archive with members of no dataset, once all items are listed."""
        for archive, count in sorted(self._of_no_dataset.items()):
            yield FileResult(
                archive,
                None,
                "unknown",
                reason=f"{count:,} of its members are of no dataset",
                hint="To see what can be loaded, run: python -m ingestion sources",
            )

    def decide(self, item: Item) -> Decision:
        """Decide about an item. The file is read only where its name and size leave a doubt.

        Arguments:
            item: from `items`.

        Raises:
            FileRefusedError: the file cannot be read, or names its participant in two ways.

        """
        file, dataset = item.file, item.dataset
        if item.is_unsettled:
            return Decision(
                "unsettled",
                f"written less than {self._min_age_seconds:g} s ago, and may still grow: the next run loads it",
            )
        if dataset is None:
            return Decision("unknown", item.reason, item.hint)
        known = self.loaded_as(item)
        if not self._force:
            if self.is_surely_known(item):
                return Decision("known")
            if (
                file.size in self._sizes
                and _key(item) not in self._outdated
                and (decision := self._decide_by_bytes(item, dataset, known))
            ):
                return decision
        return Decision("changed" if known else "new")

    def is_surely_known(self, item: Item) -> bool:
        """Whether the state of an item tells that its bytes are loaded under its name. Nothing is read.

        Arguments:
            item: from `items`.

        """
        known = self.loaded_as(item)
        is_known = known is not None and item.file.is_strong and item.file.version == known.version
        return is_known and not self._force and not item.is_unsettled

    def decide_known(self, item: Item, original: Original | None, checksum: str) -> Decision:
        """Decide about an item whose bytes are loaded, or were retracted.

        Arguments:
            item: from `items`.
            original: the loaded file with the same bytes; None if they were retracted.
            checksum: their SHA-256 in hexadecimal.

        """
        if original is None:
            return Decision(
                "retracted",
                "a person retracted these bytes",
                f"To load them again, run: python -m ingestion reload {item.file.name}",
                checksum,
            )
        if original.filename == item.file.name:
            return Decision("known", checksum=checksum)
        return Decision("duplicate", f"same as {original.filename}", checksum=checksum, original=original)

    def loaded_as(self, item: Item) -> LoadedFile | None:
        """Return what the manifest had under the item's name, or None."""
        loaded = self._loaded.get(item.file.name, ())
        if not loaded or item.dataset is None or _key(item) in self._outdated:
            return None
        return next((file for file in loaded if file.dataset == item.dataset.name), None)

    def forget(self, item: Item) -> None:
        """Stop trusting what the manifest had under the item's name: this run, or another one, has changed it."""
        self._outdated.add(_key(item))

    def vanished(self) -> list[str]:
        """Return the loaded files that were not listed and not archived, sorted by name.

        Of an archive that was not listed, its name stands for its members. The members of one that is damaged are not
        gone.
        """
        names = (name for name in self._unseen if any(map(self._is_expected, self._loaded[name])))
        return sorted({gone for name in names if (gone := self._archives.gone_with(name))})

    def expected_files(self) -> int:
        """Return how many of the loaded files should be in the landing zone."""
        return sum(self._is_expected(file) for files in self._loaded.values() for file in files)

    def has_archived(self) -> bool:
        """Whether files are loaded, and all of them are archived."""
        return bool(self._loaded) and not self.expected_files()

    def _decide_by_bytes(self, item: Item, dataset: Dataset, known: LoadedFile | None) -> Decision | None:
        """Read the file, unless it is known what bytes it has. Return None where its bytes are not known."""
        file = item.file
        remembered = self._duplicates.get((file.name, file.version)) if file.is_strong else None
        checksum = remembered or checksum_of(self.storage, file)
        if known and known.checksum == checksum:
            if file.is_strong:
                self.confirmed_versions[known.file_id] = file.version
            return Decision("known", checksum=checksum)
        person = person_in(file.name)
        if original := self._original(dataset, checksum, file.name):
            if file.is_strong:
                # decided again at the end of the run
                self._duplicates[file.name, file.version] = checksum
            return self.decide_known(item, original, checksum)
        if (dataset.name, person, checksum) in self._retracted:
            return self.decide_known(item, None, checksum)
        if twin := next((each for each in self._twins(dataset, checksum) if each.person != person), None):
            remark = next((each.assumed for each in twin_remarks(twin.filename, twin.rows)), None)
            return Decision("changed" if known else "new", remark, checksum=checksum)
        return None

    def _is_expected(self, file: LoadedFile) -> bool:
        return not self.storage.is_archived(file.filename, file.checksum)

    def _is_unsettled(self, file: StoredFile) -> bool:
        if not self._min_age_seconds or file.modified_at is None:
            return False
        return (datetime.now(UTC) - file.modified_at).total_seconds() < self._min_age_seconds

    def _original(self, dataset: Dataset, checksum: str, name: str) -> Original | None:
        wanted = person_in(name), part_in(dataset.name, name)
        twins = self._twins(dataset, checksum)
        return next(
            (Original(file.file_id, file.filename) for file in twins if (file.person, file.part) == wanted), None
        )

    def _twins(self, dataset: Dataset, checksum: str) -> list[LoadedFile]:
        return self._by_content.get((dataset.name, checksum), [])

    @cached_property
    def _by_content(self) -> dict[tuple[str, str], list[LoadedFile]]:
        """The loaded files with the same bytes, one for each participant."""
        found: dict[tuple[str, str], list[LoadedFile]] = {}
        for files in self._loaded.values():
            for file in files:
                found.setdefault((file.dataset, file.checksum), []).append(file)
        return found


class _LoadedArchives:
    """The archives that loaded files are in, and whether they are still there."""

    def __init__(self, filenames: Iterable[str]) -> None:
        self._listed_as: dict[str, Literal["folder", "file"] | None] = {
            archive: None for filename in filenames if (archive := archive_of(filename))
        }

    def note(self, name: str) -> None:
        """Note that a file was listed: a member, or an archive that is damaged."""
        if not self._listed_as:
            return
        if name in self._listed_as:
            self._listed_as[name] = "file"
        elif (archive := archive_of(name)) and archive in self._listed_as:
            self._listed_as[archive] = "folder"

    def gone_with(self, name: str) -> str | None:
        """Return what is gone where a file was not listed: itself, its archive, or nothing."""
        archive = archive_of(name)
        listed_as = self._listed_as[archive] if archive else "folder"
        return {"folder": name, "file": None, None: archive}[listed_as]


def _key(item: Item) -> tuple[str, str]:
    return item.dataset.name if item.dataset else "", item.file.name
