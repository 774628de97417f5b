"""Every error that a person is meant to read, named by what they do next.

    PipelineError                      1   a step failed
    ├── UsageError                    64   call it differently
    ├── ConfigurationError            78   mend a setting, a file of sql/ or a role
    │   └── MigrationDriftError            mend the history of sql/
    ├── BadDataError                  65   mend the files, or the declaration of their dataset
    │   ├── FileRefusedError               one file, with line and column where it has them
    │   └── TestsFailedError               dbt tests say that the data is wrong
    ├── DatabaseUnavailableError      69   start the database, or point to the right one
    ├── StorageUnavailableError       69   bring the object store back, or point to the right one
    ├── BusyError                     75   try again: another run is in progress
    └── StatementError                 1   PostgreSQL refused a statement: SQLSTATE says why
    Interrupted (KeyboardInterrupt) 130/143   SIGINT or SIGTERM ended the run

The number is the exit code of the command (sysexits.h). Code 70 is everything else: a bug of ours.
"""

import signal


class PipelineError(Exception):
    """A failure with a remedy.

    Arguments:
        message: one line: what is wrong and where. Never a row of data, never a secret.
        hint: one line: what to do about it.

    """

    exit_code = 1
    sqlstate: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PipelineError):
    """The command was called in a way it does not know."""

    exit_code = 64


class ConfigurationError(PipelineError):
    """A setting, a file of sql/ or the database's roles are not as they must be."""

    exit_code = 78


class MigrationDriftError(ConfigurationError):
    """sql/ and the ledger of what was applied do not agree."""


class BadDataError(PipelineError):
    """The data is at fault, not the program."""

    exit_code = 65


class FileRefusedError(BadDataError):
    """A whole file cannot be loaded.

    Arguments:
        reason: what is wrong, without the file's name and without a value from it.
        hint: what to do about it.
        line: the physical line, from 1, where one line is at fault.
        column: the column at fault.

    """

    def __init__(
        self, reason: str, *, hint: str | None = None, line: int | None = None, column: str | None = None
    ) -> None:
        place = ", ".join(
            f"{name} {value}" for name, value in (("line", line), ("column", column)) if value is not None
        )
        super().__init__(f"{place}: {reason}" if place else reason, hint=hint)


class TestsFailedError(BadDataError):
    """dbt built the models, and its tests found wrong data in them."""

    __test__ = False


class DatabaseUnavailableError(PipelineError):
    """No connection, or it was lost."""

    exit_code = 69


class StorageUnavailableError(PipelineError):
    """The object store could not be reached, or kept failing for longer than it may."""

    exit_code = 69


class BusyError(PipelineError):
    """Another run holds the lock that this one needs."""

    exit_code = 75


class StatementError(PipelineError):
    """PostgreSQL refused a statement.

    Arguments:
        message: what was attempted.
        sqlstate: PostgreSQL's five-character code.

    """

    def __init__(self, message: str, *, sqlstate: str | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class Interrupted(KeyboardInterrupt):
    """A signal ended the run.

    Arguments:
        signum: the signal's number.

    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


def exit_code_of(exc: BaseException) -> int:
    """Return the exit code for an error: its own, or 70 for an error that nobody foresaw.

    Arguments:
        exc: what ended the command.

    """
    return exc.exit_code if isinstance(exc, PipelineError | Interrupted) else 70
