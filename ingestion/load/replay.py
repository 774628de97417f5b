"""Check rejected rows again, without their file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2.sql import Identifier

from ingestion import db
from ingestion.load.checks import check_counts
from ingestion.load.header import known_header
from ingestion.load.judge import Judge, numbered_line, prepare
from ingestion.load.parse import Record, RowReader
from ingestion.load.read_ahead import FunctionStream
from ingestion.quarantine import Reason
from ingestion.sources import Dataset


@dataclass(frozen=True)
class Replayed:
    """What happened to rejected rows that were checked again.

    Arguments:
        loaded: the lines of the rows that are in the raw table now.
        rejected: the reason and column of each of the others, by line.

    """

    loaded: tuple[int, ...]
    rejected: dict[int, tuple[Reason, str | None]]


def replay(
    connection: db.Connection,
    dataset: Dataset,
    rejected: Iterable[tuple[int, bytes]],
    *,
    target_schema: str,
    file_id: int,
    filename: str,
    header: Iterable[str],
    dialect: Mapping[str, Any],
) -> Replayed:
    """Check rejected rows by the present declaration of their dataset, and load those that are good now.

    The caller removes these from quarantine, and ends the transaction.

    Arguments:
        connection: in a transaction.
        dataset: the file's dataset.
        rejected: the line and the bytes of each row.
        target_schema: the schema of the raw table.
        file_id: the file.
        filename: the file's name, as the manifest has it.
        header: its headers, as the manifest has them.
        dialect: how it is written, as the manifest has it.

    Raises:
        FileRefusedError: the dataset no longer accepts this header.

    """
    known = known_header(dataset, header, dialect, filename)
    prepare(connection, file_id, known)
    still: dict[int, tuple[Reason, str | None]] = {}
    parsed: list[int] = []
    reader = RowReader(known, dataset.key, dataset.moment)

    def lines() -> Iterator[str]:
        for line, raw in rejected:
            record = Record(line, raw)
            text, reason = reader.read(record)
            if text is None:
                still[line] = (reason or "not_castable", None)
            else:
                parsed.append(line)
                yield numbered_line(record, text, known.dialect)

    with connection.cursor() as cursor:
        judge = Judge(cursor, dataset, known, Identifier(target_schema, dataset.name))
        judge.open()
        rows = lines()
        check_counts(judge.copy(FunctionStream(lambda _size: next(rows, "").encode())) == len(parsed))
        judge.find_bad()
        still |= judge.bad_rows()
        loaded = tuple(line for line in parsed if line not in still)
        check_counts(judge.insert_good() == len(loaded))
        judge.close()
    return Replayed(loaded, still)
