"""The plain data of a run: what happened to each file, step and dbt node.

Observers, telemetry, lineage, alerts and the command line import these classes, and not the machinery that fills them.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

from ingestion.errors import exit_code_of

Command = Literal["run", "migrate", "ingest", "transform", "reload", "retract", "erase", "replay"]
FileStatus = Literal[
    "loaded", "replaced", "skipped", "duplicate", "claimed", "unsettled", "retracted", "refused", "unknown"
]

# the statuses of a dbt model that was not built, or of a dbt test that found bad rows
FAILED_NODE_STATUSES = frozenset({"error", "fail", "runtime error", "partial success"})


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records a file has, and where they went: read = loaded + rejected + blank + erased.

    Arguments:
        read: all records; the header is not one.
        loaded: records in the raw table.
        rejected: records in quarantine.
        blank: lines without any value.
        erased: records of erased participants, which are stored nowhere.

    """

    read: int = 0
    loaded: int = 0
    rejected: int = 0
    blank: int = 0
    erased: int = 0

    @property
    def filled(self) -> int:
        """Records with data."""
        return self.read - self.blank

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.read + other.read,
            self.loaded + other.loaded,
            self.rejected + other.rejected,
            self.blank + other.blank,
            self.erased + other.erased,
        )


class Fault(NamedTuple):
    """Rejected rows of one file that have the same reason and column.

    Arguments:
        reason: the reason, as in `ops.rejected_rows`.
        column: the first column at fault, None where the row as a whole is.
        rows: the number of rows.

    """

    reason: str
    column: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Remark:
    """What was assumed to load a file that is not written as its declaration says.

    Arguments:
        assumed: what was assumed.
        evidence: why.
        remedy: what to do if it is wrong.
        is_warning: whether what was loaded may mislead, so that somebody must look at it.

    """

    assumed: str
    evidence: str = ""
    remedy: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        """Return it as one line."""
        text = f"{self.assumed}, because {self.evidence}" if self.evidence else self.assumed
        return f"{text}. {self.remedy}" if self.remedy else text


@dataclass(frozen=True, slots=True)
class FileResult:
    """What happened to one file.

    Arguments:
        filename: its name in the landing zone.
        dataset: the name of its dataset, None where the file is unknown.
        status: `replaced` means loaded in place of an older content of the same name.
        counts: its records, where it was read.
        reason: why it was refused or left out.
        hint: what to do about it.
        extra: headers that the dataset does not declare.
        remarks: what was assumed to load it.
        faults: what is wrong with its rejected rows.
        size: in bytes, None where the file was not opened.
        checksum: SHA-256 of its bytes in hexadecimal, where they were read.
        started_at: when work on it began.
        duration_ms: how long that took, in milliseconds.

    """

    filename: str
    dataset: str | None
    status: FileStatus
    counts: Counts = field(default_factory=Counts)
    reason: str | None = None
    hint: str | None = None
    extra: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    faults: tuple[Fault, ...] = ()
    size: int | None = None
    checksum: str | None = None
    started_at: datetime | None = None
    duration_ms: int | None = None

    @property
    def is_strange(self) -> bool:
        """Whether the file is loaded, and a person should look at it."""
        return any(remark.is_warning for remark in self.remarks)


@dataclass
class IngestResult:
    """What happened to all files.

    Arguments:
        files: one result per file and dataset, in the order of completion.
        vanished: names in the manifest that are no longer in the landing zone.
        unrecognised: the number of all files in the landing zone, where not one of them belongs to a dataset; else 0.

    """

    files: list[FileResult] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    unrecognised: int = 0

    @property
    def counts(self) -> Counts:
        """The records of all files together."""
        return sum((file.counts for file in self.files), Counts())

    @property
    def refused(self) -> list[FileResult]:
        """The files that were refused."""
        return self.with_status("refused")

    @property
    def strange(self) -> list[FileResult]:
        """The loaded files that a person should look at."""
        return [file for file in self.files if file.is_strange]

    def by_status(self) -> dict[str, int]:
        """Return the number of files per status."""
        return dict(Counter(file.status for file in self.files))

    def with_status(self, *statuses: FileStatus) -> list[FileResult]:
        """Return the files with one of these statuses."""
        return [file for file in self.files if file.status in statuses]


@dataclass(frozen=True)
class RetractedFile:
    """A file whose rows were removed.

    Arguments:
        filename: its name in the landing zone.
        dataset: the name of its dataset.
        rows: the number of rows removed from the raw table.
        rows_rejected: the number of rows removed from quarantine.

    """

    filename: str
    dataset: str
    rows: int
    rows_rejected: int


@dataclass(frozen=True)
class ReplayedFile:
    """A file whose rejected rows were checked again.

    Arguments:
        filename: its name in the landing zone.
        dataset: the name of its dataset.
        loaded: the number of rows that moved to the raw table.
        rejected: the number of rows that stay in quarantine.

    """

    filename: str
    dataset: str
    loaded: int
    rejected: int


@dataclass
class ErasureReceipt:
    """What was erased of one participant, without naming them.

    Arguments:
        user_hash: the tombstone: HMAC-SHA256 of the user id, in hexadecimal.
        rows: the number of rows deleted per table, by `schema.table`.
        files: names of the files that held the participant's rows. The files stay in the landing zone.

    """

    user_hash: str
    rows: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class NodeResult:
    """What happened to one dbt model or test.

    Arguments:
        node_id: dbt's unique id.
        name: the name of the model or test.
        resource_type: model, test, and so on.
        status: success, error, pass, warn, fail or skipped.
        failures: for a test, the number of rows that failed it.
        rows_affected: for a model, the number of rows written.
        duration_ms: in milliseconds.
        message: one redacted line.
        relation: `schema.name` of the table or view it built.
        started_at: when it began, None where it was skipped.
        reads: `schema.name` of the tables and views that it reads.
        columns: the declared columns of the relation, and their types.
        materialized: for a model, its materialization: table, view, and so on.
        tested: for a generic test, `schema.name` of the relation that it tests.
        column: for a generic test of one column, that column.
        kind: for a generic test, its name without the model's: not_null, unique, and so on.

    """

    node_id: str
    name: str
    resource_type: str
    status: str
    failures: int | None
    rows_affected: int | None
    duration_ms: int
    message: str | None
    relation: str | None
    started_at: datetime | None = None
    reads: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    materialized: str | None = None
    tested: str | None = None
    column: str | None = None
    kind: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the model was not built, or the test found bad rows."""
        return self.status in FAILED_NODE_STATUSES


@dataclass
class Step:
    """One step of a run. Its fields are filled while it works, and recorded when it ends.

    Arguments:
        name: migrate, ingest, dbt_build or report.
        attempt: from 1.
        rows_in: the number of rows read.
        rows_out: the number of rows written.
        rows_rejected: the number of rows put into quarantine.
        dbt_invocation_id: dbt's id of its invocation.
        input_fingerprint: a digest of everything that the step reads.
        skipped: why the step had nothing to do, None where it had.
        detail: for people; JSON-able, without data of participants.

    """

    name: str
    attempt: int = 1
    rows_in: int | None = None
    rows_out: int | None = None
    rows_rejected: int | None = None
    dbt_invocation_id: str | None = None
    input_fingerprint: str | None = None
    skipped: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    duration_ms: int | None = None


@dataclass
class RunResult:
    """What a run has done so far.

    Arguments:
        command: the command that started it.
        run_id: its id.
        started_at: when it began.
        steps: its steps, in order.
        ingest: what happened to the files, where the run ingests.
        nodes: what happened to dbt's models and tests, where the run builds them.
        retracted: the files that were retracted.
        replayed: the files whose rejected rows were checked again.
        receipt: what was erased.
        report: the path or URL of its report, or of the last report where that is still true.
        error: what ended the run, or None.
        error_summary: one redacted line about the error.
        duration_seconds: from start to end.

    """

    command: Command
    run_id: UUID = field(default_factory=uuid4)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    steps: list[Step] = field(default_factory=list)
    ingest: IngestResult | None = None
    nodes: list[NodeResult] = field(default_factory=list)
    retracted: list[RetractedFile] = field(default_factory=list)
    replayed: list[ReplayedFile] = field(default_factory=list)
    receipt: ErasureReceipt | None = None
    report: str | None = None
    error: BaseException | None = None
    error_summary: str | None = None
    duration_seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """The exit code for the process; see `ingestion.errors`."""
        return exit_code_of(self.error) if self.error else 0
