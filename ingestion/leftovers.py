"""Temporary files and folders that a killed process has left behind.

Each has a name that only this program uses. The next run removes those of its own user that are older than a day: a
younger one may belong to a process that is still running.
"""

import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OLD_SECONDS = 24 * 3600.0
# what `tempfile` adds to a prefix
_RANDOM = r"[a-z0-9_]{8}"


def is_leftover(path: Path, prefix: str) -> bool:
    """Whether a file or folder was left behind by a process of this user, and is older than a day.

    Arguments:
        path: the file or folder; a link is never left behind.
        prefix: the prefix that it was created with.

    """
    if not re.fullmatch(re.escape(prefix) + _RANDOM, path.name):
        return False
    try:
        status = path.lstat()
    except OSError:
        return False
    is_own = status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode)
    return is_own and time.time() - status.st_mtime > _OLD_SECONDS


def clear(folder: Path, prefix: str) -> None:
    """Remove what was left behind in a folder. What cannot be removed stays.

    Arguments:
        folder: the folder; it need not exist.
        prefix: the prefix of the temporary files and folders.

    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if is_leftover(path, prefix):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder, if possible.

    Arguments:
        path: the file or folder.

    """
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Yield a folder that only this user can read, and remove it at the end of the block.

    Arguments:
        prefix: the beginning of its name, which no other program uses. Older folders with it are removed first.
        parent: where to create it; the temporary directory by default.

    Raises:
        OSError: it cannot be created.

    """
    clear(parent or Path(tempfile.gettempdir()), prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        yield Path(folder)
