"""SHA256SUMS, as sha256sum writes and checks it."""

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Arguments:
        path: the file.

    Raises:
        OSError: the file cannot be read.

    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path) -> None:
    """Write the checksums of all files in a folder.

    Arguments:
        folder: the folder.

    Raises:
        OSError: a file cannot be read or written.

    """
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in _files(folder)]
    (folder / NAME).write_text("".join(lines), encoding="utf-8", newline="\n")


def read(folder: Path) -> dict[str, str]:
    """Return the recorded checksum of each file.

    Arguments:
        folder: the folder of the release.

    Raises:
        OSError: the checksums cannot be read.
        ValueError: the file has another form.

    """
    recorded: dict[str, str] = {}
    for line in (folder / NAME).read_text(encoding="utf-8").splitlines():
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != hashlib.sha256().digest_size * 2 or ".." in Path(name).parts:
            raise ValueError(NAME)
        recorded[name] = digest
    return recorded


def altered(folder: Path) -> list[str]:
    """Return what differs from the recorded checksums: files that were changed, removed or added.

    Arguments:
        folder: the folder of the release.

    Raises:
        OSError: the checksums or a file cannot be read.
        ValueError: the checksums have another form.

    """
    recorded = read(folder)
    present = set(_files(folder))
    changed = [
        f"{name} was changed" for name in recorded if name in present and sha256_of(folder / name) != recorded[name]
    ]
    removed = [f"{name} is missing" for name in recorded if name not in present]
    return changed + removed + [f"{name} was added" for name in sorted(present - set(recorded))]


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != NAME
    )
