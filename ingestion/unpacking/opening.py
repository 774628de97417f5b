"""Open an archive or a workbook as a folder."""

import tempfile
from contextlib import closing
from typing import IO, cast

from ingestion.unpacking.folders import Folder, TarFolder, ZipFolder
from ingestion.unpacking.limits import Limits
from ingestion.unpacking.packed import unpack
from ingestion.unpacking.workbook import WorkbookFolder

FOLDER_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".xlsx")

_CHUNK_BYTES = 1 << 18


def open_folder(name: str, file: IO[bytes], limits: Limits) -> Folder:
    """Open an archive of many files.

    Arguments:
        name: its name, which ends in one of `FOLDER_SUFFIXES`.
        file: its bytes, a real file; closed with the folder, and where this raises.
        limits: limits on what it unpacks to.

    Raises:
        FileRefusedError: it is encrypted, damaged, or holds too much.
        OSError: the temporary directory is full.

    """
    try:
        if name.lower().endswith(".zip"):
            return ZipFolder(file, limits)
        if name.lower().endswith(".xlsx"):
            return WorkbookFolder(file, limits)
        if not name.lower().endswith(".tar"):
            # gzip can only be read from its beginning
            with closing(file) as packed:
                file = _unpacked(packed, limits)
        return TarFolder(file, limits)
    except BaseException:
        file.close()
        raise


def _unpacked(packed: IO[bytes], limits: Limits) -> IO[bytes]:
    packed.seek(0)
    content = unpack(packed, ".gz", limits)
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the folder closes it)
    try:
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)
        file.flush()
    except BaseException:
        file.close()
        raise
    return cast("IO[bytes]", file)
