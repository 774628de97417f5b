"""One file cannot end a run: what goes wrong while it is handled is its refusal.

A database, a landing zone or an object store that fails, a lock that is not free and a signal end the run all the same.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ingestion import db, log
from ingestion.errors import FileRefusedError, PipelineError, StatementError
from ingestion.workers import StoppedError

# the data, a constraint, a limit of PostgreSQL (an index row, the complexity of a statement)
_CLASSES_OF_A_FILE = ("22", "23", "54")
# out of memory for one statement, a limit on temporary files, a value that is larger than PostgreSQL can hold
_CODES_OF_A_FILE = {"53200", "53400", "XX000"}
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def contained(filename: str) -> Iterator[None]:
    """Raise `FileRefusedError` for what goes wrong with one file in the block. The block is outside any transaction.

    Arguments:
        filename: the file's name, for the log.

    Raises:
        FileRefusedError: the file cannot be handled.
        PipelineError: the cause is not the file: another file would fail as well.

    """
    try:
        with db.translated():
            yield
    except StatementError as exc:
        if not _is_of_the_file(exc):
            raise
        raise FileRefusedError(
            f"PostgreSQL cannot load it: {exc} (SQLSTATE {exc.sqlstate})",
            hint="Split or correct the file. The other files are loaded.",
        ) from exc
    except (PipelineError, StoppedError, BrokenPipeError):
        raise
    except MemoryError as exc:
        raise FileRefusedError(
            "it takes more memory than there is", hint="Split it into smaller files, or give the pipeline more memory."
        ) from exc
    except RecursionError as exc:
        raise FileRefusedError("it is nested too deeply", hint="Export it again.") from exc
    except OSError as exc:
        raise FileRefusedError(f"it could not be read: {exc.strerror or type(exc).__name__}", hint=_hint(exc)) from exc
    except Exception as exc:
        log.logger.exception("a bug: please report it", extra={"fields": {"file": filename}})
        raise FileRefusedError(
            f"a bug of the pipeline ({type(exc).__name__})", hint="Please report it, with the traceback from the log."
        ) from exc


def _is_of_the_file(exc: StatementError) -> bool:
    sqlstate = exc.sqlstate or ""
    if sqlstate == db.CANCELED:
        # a signal cancels statements, too
        return "statement timeout" in str(exc)
    return sqlstate.startswith(_CLASSES_OF_A_FILE) or sqlstate in _CODES_OF_A_FILE


def _hint(exc: OSError) -> str:
    if exc.errno in _DISK_IS_FULL:
        return "Free space in the temporary directory, or name a larger one in TMPDIR."
    return "Check the file and the disk. The next run tries again."
