"""The errors that users see, by what to do about them.

    PipelineError                      1   a step failed
    ├── UsageError                    64   correct the command
    ├── ConfigurationError            78   correct a setting, a file of sql/ or a role
    │   └── MigrationDriftError            restore the history of sql/
    ├── BadDataError                  65   correct the files, or the declaration of their dataset
    │   ├── FileRefusedError               one file, with line and column if known
    │   │   └── ForeignFileError           a file of another program, which only has the name of a dataset
    │   ├── NothingRecognisedError         a landing zone without any file of a dataset
    │   ├── FilesRefusedError              an ingest that refused some files
    │   └── TestsFailedError               dbt tests found wrong data
    ├── DatabaseUnavailableError      69   start the database, or correct its address
    │   └── RunLostError                       run again: this run has lost its locks
    ├── StorageUnavailableError       69   restore the object store, or correct its address
    ├── BusyError                     75   try again: another run is in progress
    └── StatementError                 1   PostgreSQL rejected a statement; see the SQLSTATE
    Interrupted (KeyboardInterrupt) 130/143   SIGINT or SIGTERM ended the run

The number is the exit code of the command (sysexits.h). Any other error is a bug, with exit code 70.
"""

import signal


class PipelineError(Exception):
    """An error with a hint.

    Arguments:
        message: one line: what is wrong and where. It never contains a row of data or a secret.
        hint: one line: what to do.

    """

    exit_code = 1
    sqlstate: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PipelineError):
    """The command or its options are wrong."""

    exit_code = 64


class ConfigurationError(PipelineError):
    """A setting, a file of sql/ or a role of the database is wrong."""

    exit_code = 78


class MigrationDriftError(ConfigurationError):
    """sql/ and the applied migrations disagree."""


class BadDataError(PipelineError):
    """The data is wrong."""

    exit_code = 65


class FileRefusedError(BadDataError):
    """A whole file cannot be loaded.

    Arguments:
        reason: what is wrong, without the file's name and without its values.
        hint: what to do.
        line: the physical line, from 1, if one line is wrong.
        column: the column, if one is wrong.

    """

    def __init__(
        self, reason: str, *, hint: str | None = None, line: int | None = None, column: str | None = None
    ) -> None:
        place = ", ".join(
            f"{name} {value}" for name, value in (("line", line), ("column", column)) if value is not None
        )
        super().__init__(f"{place}: {reason}" if place else reason, hint=hint)


class ForeignFileError(FileRefusedError):
    """A file has the name of a dataset, and columns that have nothing in common with it."""


class NothingRecognisedError(BadDataError):
    """Not one file of the landing zone belongs to a dataset."""


class FilesRefusedError(BadDataError):
    """Some files were refused. The others are loaded."""


class TestsFailedError(BadDataError):
    """dbt built the models, and its tests found wrong data in them."""

    __test__ = False


class DatabaseUnavailableError(PipelineError):
    """There is no connection to the database, or it was lost."""

    exit_code = 69


class RunLostError(DatabaseUnavailableError):
    """The connection that holds the run's locks was lost. Another run may have begun."""

    def __init__(self, message: str = "the run has lost the connection that holds its locks") -> None:
        super().__init__(message, hint="Run again: loaded files stay loaded. The server's log says why it was lost.")


class StorageUnavailableError(PipelineError):
    """The object store cannot be reached, or kept failing for too long."""

    exit_code = 69


class BusyError(PipelineError):
    """Another run holds the lock that this one needs."""

    exit_code = 75


class StatementError(PipelineError):
    """PostgreSQL rejected a statement.

    Arguments:
        message: what is wrong.
        sqlstate: PostgreSQL's five-character code.

    """

    def __init__(self, message: str, *, sqlstate: str | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class Interrupted(KeyboardInterrupt):
    """A signal ended the run.

    Arguments:
        signum: the signal's number.
        reason: what has interrupted the run, if it was no signal.

    """

    def __init__(self, signum: int, reason: str | None = None) -> None:
        super().__init__(reason or f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


def exit_code_of(exc: BaseException) -> int:
    """Return the exit code of an error: its own, or 70 for an unexpected error.

    Arguments:
        exc: the error that ended the command.

    """
    return exc.exit_code if isinstance(exc, PipelineError | Interrupted) else 70
