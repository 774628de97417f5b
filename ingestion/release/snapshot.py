"""The state of the database that a release freezes: what was built, from which files, and who the participants are."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TextIO

from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db, transform
from ingestion.config import Settings
from ingestion.errors import BusyError, PipelineError, TestsFailedError
from ingestion.release.dictionary import PARTICIPANT, Column, Table
from ingestion.report import pseudonym
from ingestion.results import FAILED_NODE_STATUSES

# the rows of so many participants are sorted at a time
_BATCH = 50
_MOST_NAMED = 5
_queries = db.queries("release")


@dataclass(frozen=True)
class Build:
    """The build of the marts that a release freezes.

    Arguments:
        models: the fingerprint of the models.
        inputs: the fingerprint of everything that the marts were made from.
        relations: `schema.name` of each table.
        failed_tests: the tests that failed in it.

    """

    models: str
    inputs: str
    relations: tuple[str, ...]
    failed_tests: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What a release says about its data.

    Arguments:
        as_of_date: the last day with a status; None without one.
        last_load: when the last file was loaded; None without one.
        files_loaded: the number of files that are loaded.
        server_version: the version of PostgreSQL.

    """

    as_of_date: date | None
    last_load: datetime | None
    files_loaded: int
    server_version: str


@dataclass(frozen=True)
class Names:
    """What stands for participants and devices in a release.

    Arguments:
        participants: the name of each user id.
        devices: the name of each device that is not called as its file calls it.

    """

    participants: Mapping[str, str]
    devices: Mapping[str, str]


class Snapshot:
    """One state of the database, which does not change while a release is written.

    Arguments:
        connection: in a transaction that sees one snapshot.
        settings: the settings, with the schema of the raw tables and the roles.

    """

    def __init__(self, connection: db.Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings

    def build(self, *, force: bool) -> Build:
        """Return the last build of the marts.

        Arguments:
            force: accept marts whose tests failed.

        Raises:
            TestsFailedError: tests failed in it.
            BusyError: it has not ended.
            PipelineError: there is none, it failed, or it was made from another state.

        """
        last = None
        if _queries.has_builds(self._connection):
            last = _queries.last_build(self._connection, failed=sorted(FAILED_NODE_STATUSES))
        if last is None or (last.status != "running" and not last.relations):
            raise PipelineError("there are no marts yet", hint="Run: python -m ingestion run")
        if last.status == "running":
            raise BusyError(
                "the marts are being built, or their build was killed",
                hint="Wait for the run to end. If none is active, run: python -m ingestion transform",
            )
        if last.status == "failure" and not last.only_tests_failed:
            raise PipelineError(
                "the last build of the marts failed, so that they may be of different states",
                hint="See: python -m ingestion runs show last",
            )
        made_from = transform.fingerprints(self._connection, self._settings)
        if made_from.everything != last.input_fingerprint or list(
            _queries.missing(self._connection, relations=last.relations)
        ):
            raise PipelineError(
                "the marts were built from other files, models or cut-offs than the present ones",
                hint="Run: python -m ingestion transform",
            )
        failed = last.failures if last.status == "failure" else []
        if failed and not force:
            named = ", ".join(failed[:_MOST_NAMED]) + (" and others" if len(failed) > _MOST_NAMED else "")
            raise TestsFailedError(
                f"tests of the marts failed in the last build: {named}",
                hint="See: python -m ingestion runs show last. With --force, the release says which tests failed.",
            )
        return Build(made_from.models, made_from.everything, tuple(last.relations), tuple(sorted(failed)))

    def facts(self) -> Facts:
        """Return what a release says about its data."""
        return Facts(*_queries.facts(self._connection, target_schema=self._settings.schema))

    def files(self) -> list[Any]:
        """Return the rows of the manifest, by file_id."""
        return list(_queries.files(self._connection, target_schema=self._settings.schema))

    def participants_of(self, tables: Iterable[Table]) -> dict[str, set[str | None]]:
        """Return the user ids in each table that has participants; None where a row names nobody.

        Arguments:
            tables: the tables.

        """
        found: dict[str, set[str | None]] = {}
        for table in tables:
            if table.has_participants:
                with self._reading(table) as cursor:
                    cursor.execute(db.composed(_queries.participants, table=_name_of(table)))
                    found[table.name] = {user_id for (user_id,) in cursor.fetchall()}
        return found

    def devices_of(self, tables: Iterable[Table]) -> set[str]:
        """Return the names of devices in all tables that hide those that owners may have given.

        Arguments:
            tables: the tables.

        """
        found: set[str] = set()
        for table in tables:
            if any(column.handling == "device" for column in table.columns):
                with self._reading(table) as cursor:
                    cursor.execute(db.composed(_queries.devices, table=_name_of(table)))
                    found |= {device for (device,) in cursor.fetchall()}
        return found

    def pseudonyms(self, names: Iterable[str]) -> dict[str, str]:
        """Return the pseudonym of each participant, which is that of the reports, or of each device.

        Arguments:
            names: the participants, or the devices.

        Raises:
            PipelineError: two have the same.

        """
        found = pseudonym.of(self._connection, sorted(names))
        if len(set(found.values())) < len(found):
            raise PipelineError(
                "two participants have the same pseudonym, so that their data would be mixed",
                hint="Write the release with --with-user-ids.",
            )
        return found

    def name_of_key(self) -> str:
        """Return what tells the key of the pseudonyms from another key."""
        return str(_queries.name_of_key(self._connection))

    def known_ids(self) -> set[str]:
        """Return the identifiers that may stand in names of files, besides the user ids."""
        known = {row.person for row in _queries.persons(self._connection)}
        with self._as(self._settings.transformer_role):
            for row in _queries.identifiers(self._connection):
                known |= {row.identifier, row.user_id}
        return known

    def copy(self, table: Table, names: Names, users: set[str | None], file: TextIO) -> int:
        """Write the rows of a table as CSV, without a header, sorted by the names of the participants.

        Arguments:
            table: the table, with the columns that are wanted.
            names: what stands for participants and devices.
            users: the user ids in the table; empty for a table without participants.
            file: the file.

        Returns:
            The number of rows.

        """
        columns = {column.name: column for column in table.columns}
        parts = {
            "table": _name_of(table),
            "columns": SQL(", ").join(_written(column, names) for column in table.columns),
            "order": SQL(", ").join(_sorted(columns[name], names) for name in table.order),
        }
        with self._reading(table) as cursor:
            if not table.has_participants:
                cursor.copy_expert(db.composed(_queries.rows, **parts), file)
                return cursor.rowcount
            rows = 0
            listed = sorted((names.participants[user_id], user_id) for user_id in users if user_id is not None)
            for begin in range(0, len(listed), _BATCH):
                batch = listed[begin : begin + _BATCH]
                parts |= {"user_ids": Literal([user_id for _, user_id in batch])}
                parts |= {"names": Literal([name for name, _ in batch])}
                cursor.copy_expert(db.composed(_queries.rows_of_participants, **parts), file)
                rows += cursor.rowcount
            if None in users:
                cursor.copy_expert(db.composed(_queries.rows_of_nobody, **parts), file)
                rows += cursor.rowcount
        return rows

    @contextmanager
    def _reading(self, table: Table) -> Iterator[db.Cursor]:
        # readers of the marts may not read the models before them, nor dbt's role the key of the pseudonyms
        role = None if table.schema == "marts" else self._settings.transformer_role
        with self._as(role), self._connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def _as(self, role: str | None) -> Iterator[None]:
        if role is None:
            yield
            return
        _queries.act_as(self._connection, role=role)
        yield
        _queries.act_as(self._connection, role="none")


@contextmanager
def opened(engine: db.Engine, settings: Settings) -> Iterator[Snapshot]:
    """Yield the present state of the database, in a transaction that cannot write.

    Arguments:
        engine: the database.
        settings: the settings.

    Raises:
        DatabaseUnavailableError: there is no connection, or it was lost.
        StatementError: PostgreSQL rejected a statement.

    """
    with db.session(engine, autocommit=False) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        _queries.prepare(connection)
        yield Snapshot(connection, settings)


def _name_of(table: Table) -> Composable:
    return Identifier(table.schema, table.name)


def _value(column: Column, names: Names) -> Composable:
    if column.name == PARTICIPANT:
        return SQL("who.name")
    value = SQL("t.{}").format(Identifier(column.name))
    if column.handling != "device" or not names.devices:
        return value
    devices, given = Literal(list(names.devices)), Literal(list(names.devices.values()))
    return db.composed(_queries.renamed, devices=devices, names=given, value=value)


def _written(column: Column, names: Names) -> Composable:
    """Return the expression that writes a value as a Table Schema of Frictionless has it."""
    value = _value(column, names)
    if column.type == "boolean":
        return SQL("{}::text").format(value)
    if column.type == "timestamp without time zone":
        return SQL("to_char({}, {})").format(value, Literal('YYYY-MM-DD"T"HH24:MI:SS.US'))
    if column.type == "timestamp with time zone":
        return SQL("to_char({}, {})").format(value, Literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    return value


def _sorted(column: Column, names: Names) -> Composable:
    value = _value(column, names)
    # by the bytes, as Python compares texts, and not by the rules of a language
    return SQL('{} collate "C"').format(value) if column.type == "text" else value
