"""What must be loaded, and the comparison with what is. Nothing here reads the program's code.

The rules are those of docs/guarantees.md: each content is loaded once, under one of its names; a name has the rows of
its present content; the rows of files that are gone or that are now refused stay as they were.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from tests.torture.contents import Content
from tests.torture.findings import Finding, Kind
from tests.torture.snapshot import Loaded, Snapshot
from tests.torture.zone import Zone

_Item = TypeVar("_Item", bound=Hashable)


@dataclass
class Model:
    """What is known about the landing zone and about what commands have done.

    Arguments:
        zone: the landing zone and its history.
        kept: names and checksums that were loaded before the fault.
        retracted: the checksums that a person has taken out, so that no run may load them.
        uncertain: the checksums that may have been taken out: commands raced for them.
        erased: the participant that a person asked to erase.

    """

    zone: Zone
    kept: set[tuple[str, str]] = field(default_factory=set)
    retracted: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    erased: int | None = None

    def inconsistencies(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Compare every loaded file with its content. This holds at every moment, in the middle of a fault too."""
        contents = self.zone.contents()
        erased = self.erased if snapshot.erased else None
        for file in snapshot.loaded:
            if (content := contents.get(file.checksum)) is None or content.is_refused:
                yield Finding("mixed", f"{file.filename}: bytes are loaded that no sender has put there")
            else:
                yield from _compare(file, content.without(erased), snapshot, erased)
        known = {(file.dataset, file.file_id) for file in snapshot.loaded}
        for (dataset, file_id), rows in snapshot.raw.items():
            if (dataset, file_id) not in known:
                yield Finding(
                    "doubled", f"raw.{dataset} has {rows.total()} rows of file {file_id}, which is not loaded"
                )

    def shortcomings(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Compare what is loaded with the landing zone. This holds after a run to the end."""
        loaded = {file.checksum for file in snapshot.loaded}
        for name, content in self.zone.current.items():
            if content.is_refused:
                if (name, content.checksum) not in snapshot.refused:
                    yield Finding("silent", f"{name} is refused, and the manifest does not say so")
            elif content.checksum not in loaded | self.retracted | self.uncertain:
                yield Finding("lost", f"{name}: none of its {len(content.rows)} rows is loaded")
        for file in snapshot.loaded:
            if file.checksum in self.retracted:
                yield Finding("doubled", f"{file.filename} has bytes that were retracted, and is loaded again")
            current = self.zone.current.get(file.filename)
            if current and not current.is_refused and current.checksum != file.checksum:
                yield Finding("mixed", f"{file.filename} still has the rows of an older content")
        yield from self._gone(loaded)

    def _gone(self, loaded: set[str]) -> Iterator[Finding]:
        """Look for the rows of files that have left the landing zone, or whose new content is refused."""
        for name, _ in self.kept:
            current = self.zone.current.get(name)
            checksums = {content.checksum for content in self.zone.ever[name]}
            if (current is None or current.is_refused) and not checksums & (loaded | self.retracted | self.uncertain):
                yield Finding("lost", f"{name}: its rows were loaded, and are gone with the file")

    def expected_exit_code(self) -> int:
        """Return the exit code of a run to the end."""
        return 65 if any(content.is_refused for content in self.zone.current.values()) else 0

    def marts_input(self, snapshot: Snapshot) -> dict[str, list[tuple[str, str]]]:
        """Return file name and row of every row that raw must have, by dataset."""
        contents = self.zone.contents()
        erased = self.erased if snapshot.erased else None
        rows: dict[str, list[tuple[str, str]]] = {}
        for file in snapshot.loaded:
            content: Content = contents[file.checksum].without(erased)
            rows.setdefault(file.dataset, []).extend((file.filename, row) for row in content.rows)
        return rows


def _compare(file: Loaded, content: Content, snapshot: Snapshot, erased: int | None) -> Iterator[Finding]:
    raw = snapshot.raw.get((file.dataset, file.file_id), Counter())
    if back := sum(count for row, count in raw.items() if row.startswith(f"{erased},")):
        yield Finding("doubled", f"{file.filename}: {back} rows of the erased participant are there again")
        return
    yield from _differences(raw, Counter(content.rows), f"{file.filename}: rows")
    quarantine = snapshot.quarantine.get(file.file_id, Counter())
    yield from _differences(quarantine, Counter(content.rejected), f"{file.filename}: rows in quarantine")
    expected = (len(content.rows), len(content.rejected), content.blank)
    if (file.rows, file.rejected, file.blank) != expected:
        counted = (file.rows, file.rejected, file.blank)
        yield Finding("silent", f"{file.filename}: the manifest counts {counted} rows, not {expected}")
    if file.read != file.rows + file.rejected + file.blank + file.erased:
        yield Finding("silent", f"{file.filename}: the counts of the manifest do not add up")


def _differences(actual: Counter[_Item], expected: Counter[_Item], what: str) -> Iterator[Finding]:
    """Compare two multisets. Rows that no file of this content has are the rows of another content."""
    missing, surplus = expected - actual, actual - expected
    foreign = Counter({item: count for item, count in surplus.items() if item not in expected})
    found: tuple[tuple[Kind, Counter[_Item], str], ...] = (
        ("lost", missing, "are missing"),
        ("mixed", foreign, "are of another content"),
        ("doubled", surplus - foreign, "are there again"),
    )
    for kind, items, text in found:
        if items:
            yield Finding(kind, f"{what}: {items.total()} of {expected.total()} {text}")
