"""Small disks: a tmpfs where mounting is allowed, or else a limit on the size of files."""

import errno
import os
import resource
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil


class Disk:
    """A folder that can be filled to the last bytes.

    A tmpfs is filled by a file beside the data. Without the right to mount, processes get a limit on the size of
    their files, which makes the same writes fail, with EFBIG in place of ENOSPC.

    Arguments:
        root: the folder, which is created.
        mebibytes: its size.

    """

    def __init__(self, root: Path, mebibytes: int) -> None:
        root.mkdir()
        self.root = root
        mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", str(root)]
        self.is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
        self._ballast = root / "ballast"

    def leave(self, free_bytes: int, pid: int) -> None:
        """Leave only so many bytes free.

        Arguments:
            free_bytes: how many.
            pid: the process that gets a limit where the folder is no disk of its own, with its children.

        """
        if not self.is_mounted:
            _limit(pid, free_bytes)
            return
        with self._ballast.open("wb") as file:
            while True:
                state = os.statvfs(self.root)
                try:
                    os.posix_fallocate(file.fileno(), 0, max(1, state.f_bavail * state.f_frsize - free_bytes))
                except OSError as exc:
                    # somebody else has taken the space in this moment
                    if exc.errno != errno.ENOSPC:
                        raise
                else:
                    return

    def free(self, pid: int) -> None:
        """Remove the file, or the limit of the process."""
        if self.is_mounted:
            self._ballast.unlink(missing_ok=True)
        else:
            _limit(pid, resource.RLIM_INFINITY)


def _limit(pid: int, size: int) -> None:
    """Limit the size of the files that a process and its children write."""
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
