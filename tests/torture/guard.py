"""Cleans up after the laboratory, however that ends: `python -m tests.torture.guard FOLDER` waits for the end of stdin.

All processes of the laboratory are in this one's process group. When the laboratory is gone, its end of the pipe is
closed; then the guard ends these processes, unmounts what is mounted in the folder, and deletes the folder.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

_STOP_SECONDS = 5.0


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the guard of a folder. Its process id is the process group for everything that the laboratory starts."""
    command = [sys.executable, "-m", "tests.torture.guard", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)


def clean_up(folder: Path) -> None:
    """End all processes of this process group but this one, and delete the folder."""
    _stop_server(folder)
    own, group = os.getpid(), os.getpgrp()
    while others := [pid for pid in psutil.pids() if pid != own and _group(pid) == group]:
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for mount in folder.glob("*"):
        if mount.is_mount():
            subprocess.run(["umount", "--lazy", str(mount)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _stop_server(folder: Path) -> None:
    """Stop the server at once: killed, it would leave a segment of shared memory behind."""
    with suppress(OSError, ValueError, StopIteration):
        pid = int(next(folder.glob("*/data/postmaster.pid")).read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + _STOP_SECONDS
        while _group(pid) == os.getpgrp() and time.monotonic() < deadline:
            time.sleep(0.05)


def _group(pid: int) -> int | None:
    """Return the process group of a process that runs."""
    try:
        return None if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else os.getpgid(pid)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None


def main() -> None:
    """Wait for the end of the laboratory, and clean up."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    sys.stdin.buffer.read()
    clean_up(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
