"""Renaming a file without replacing another."""

import errno
import os
from pathlib import Path

# file systems without hard links
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def rename_without_replacing(path: Path, target: Path) -> bool:
    """Rename a file unless the name is taken.

    Arguments:
        path: the file.
        target: its new name, in the same file system.

    Returns:
        Whether it was renamed. If not, it keeps its name.

    Raises:
        OSError: it cannot be renamed.

    """
    try:
        # unlike a rename, a link never replaces a file
        os.link(path, target)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            return False
        # without links, another program can take the name in between
        path.rename(target)
    else:
        path.unlink()
    return True
