"""A landing zone, and all that was ever in it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import BinaryIO

from tests.torture.contents import DATASETS, Content, Quality, make

_FOLDERS = ("", "", "site_a/", "site b/Zürich/")
_SUFFIXES = (".csv", ".csv", ".csv", ".csv.gz", ".csv.zip")
_LARGE = (15_000, 50_000)


@dataclass
class Zone:
    """A directory whose files the laboratory changes, as senders do.

    Arguments:
        root: the directory.
        current: the content that each name has now.
        ever: the contents that each name has had.
        version: how often it has changed.

    """

    root: Path
    current: dict[str, Content] = field(default_factory=dict)
    ever: dict[str, list[Content]] = field(default_factory=dict)
    version: int = 0

    def put(self, name: str, content: Content) -> None:
        """Write a file under a hidden name and rename it, as a careful sender does."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(".sending")
        part.write_bytes(content.data)
        self.note(name, content)
        part.replace(path)

    def open(self, name: str) -> BinaryIO:
        """Open a file to append to it, as a writer does that has not finished."""
        return (self.root / name).open("ab", buffering=0)

    def append(self, name: str, content: Content, file: BinaryIO) -> None:
        """Write the end of a file that has grown, wherever it is by now."""
        end = content.data[len(self.current[name].data) :]
        self.note(name, content)
        file.write(end)

    def truncate(self, name: str, content: Content) -> None:
        """Cut a file, in place."""
        self.note(name, content)
        os.truncate(self.root / name, len(content.data))

    def overwrite(self, name: str, content: Content) -> None:
        """Write other bytes of the same size in place and restore the time, as rsync --inplace --times does."""
        self.note(name, content)
        path = self.root / name
        before = path.stat()
        with path.open("r+b") as file:
            file.write(content.data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def rename(self, name: str, new_name: str) -> None:
        self.note(new_name, self.current.pop(name))
        target = self.root / new_name
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).rename(target)

    def delete(self, name: str) -> None:
        self.version += 1
        del self.current[name]
        (self.root / name).unlink()

    def size(self) -> int:
        """Return how many bytes the rows of all files have, unpacked."""
        return sum(sum(map(len, content.rows)) + len(content.rows) for content in self.current.values())

    def plain(self) -> list[str]:
        """Return the names of files that are neither packed nor have bad rows, the largest first."""
        names = [name for name, c in self.current.items() if name.endswith(".csv") and not c.rejected and c.rows]
        return sorted(names, key=lambda name: -len(self.current[name].data))

    def contents(self) -> dict[str, Content]:
        """Return all contents that were ever here, by checksum."""
        return {content.checksum: content for contents in self.ever.values() for content in contents}

    def note(self, name: str, content: Content) -> None:
        """Note the content that a name has from now on."""
        self.version += 1
        self.current[name] = content
        self.ever.setdefault(name, []).append(content)


def new_name(random: Random, zone: Zone, dataset: str, suffix: str) -> str:
    """Return a name that was never in the zone."""
    while True:
        name = f"{random.choice(_FOLDERS)}{dataset}_{random.randrange(10_000)}{suffix}"
        if name not in zone.ever:
            return name


def fill(random: Random, zone: Zone, files: int, *, large: int = 0) -> None:
    """Add files: small ones of all kinds, large ones, bad ones, and duplicates.

    Arguments:
        random: the source of all choices.
        zone: the landing zone.
        files: how many small files.
        large: how many large files.

    """
    for number in range(files + large):
        if number < large:
            name = new_name(random, zone, "heart_rate", ".csv")
            zone.put(name, make(random, "heart_rate", random.randint(*_LARGE)))
            continue
        if zone.current and random.random() < 0.15:
            original = random.choice(sorted(zone.current))
            content = zone.current[original]
            suffix = original[original.index(".csv") :]
            zone.put(new_name(random, zone, content.dataset, suffix), content)
            continue
        dataset, suffix = random.choice(sorted(DATASETS)), random.choice(_SUFFIXES)
        quality: Quality = random.choices(("good", "some bad rows", "refused"), (6, 3, 1))[0]
        zone.put(new_name(random, zone, dataset, suffix), make(random, dataset, random.randint(1, 60), quality, suffix))


def change(random: Random, zone: Zone) -> None:
    """Replace a file, and replace, rename or delete up to two others, between two runs."""
    names = random.sample(sorted(zone.current), min(3, len(zone.current)))
    for name, what in zip(names, ("replace", *random.choices(("replace", "rename", "delete"), k=2)), strict=False):
        content = zone.current[name]
        suffix = name[name.index(".csv") :]
        match what:
            case "replace":
                quality: Quality = random.choices(("good", "some bad rows", "refused"), (6, 3, 1))[0]
                zone.put(name, make(random, content.dataset, random.randint(1, 60), quality, suffix))
            case "rename":
                zone.rename(name, new_name(random, zone, content.dataset, suffix))
            case "delete":
                zone.delete(name)
