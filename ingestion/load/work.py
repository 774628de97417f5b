"""What a load is given, and what it returns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg2.sql import Composable, Identifier

from ingestion.formats import Text, format_of
from ingestion.load.content import Content
from ingestion.load.date_order import Clues
from ingestion.load.dates import Sight
from ingestion.load.header import Header, layouts_of, read_header, user_of
from ingestion.load.offsets import may_have_offsets
from ingestion.load.progress import OnChunk, ignore_progress
from ingestion.load.reading import Reading
from ingestion.load.stream import HashedStream
from ingestion.results import Counts, Remark
from ingestion.sources import Dataset, DateOrder, Layout, date_order_in, decimal_mark_in
from ingestion.storage import Storage, StoredFile


@dataclass(frozen=True)
class FileToLoad:
    """A file, and the table that it is loaded into.

    Arguments:
        storage: where the file is.
        file: the file, as listed.
        dataset: its dataset.
        target_schema: the schema of the raw table.
        on_chunk: called with the numbers of bytes and lines of each chunk that was read.
        layouts: the layouts that it may have; those of its name, where there are none.
        earlier_orders: returns the orders of dates in loaded files of the same dataset and folder that left no doubt.

    """

    storage: Storage
    file: StoredFile
    dataset: Dataset
    target_schema: str
    on_chunk: OnChunk = ignore_progress
    earlier_orders: Callable[[], frozenset[DateOrder]] = frozenset
    layouts: tuple[Layout, ...] = ()

    @property
    def table(self) -> Composable:
        """The raw table."""
        return Identifier(self.target_schema, self.dataset.name)

    def open(self) -> HashedStream:
        """Open the file at its beginning."""
        return HashedStream(self.storage.open(self.file), self.on_chunk)

    def text(self, stream: HashedStream) -> Text:
        """Return the text of the file.

        Arguments:
            stream: from `open`.

        Raises:
            FileRefusedError: the file is not what its name says, or holds too much.

        """
        own = next((layout for layout in self._layouts if layout.has_own_format), None)
        own_format = format_of(own, user_of(own, self.file.name) if own.table else None) if own else None
        return Text(self.file.name, stream, self.dataset.encoding, own_format=own_format)

    def read_header(self, text: Text, *, is_judged: bool = False) -> tuple[Content, Header, Reading]:
        """Read the header. The content then begins with the first row.

        Arguments:
            text: from `text`.
            is_judged: each row is judged later, so that the content need not be searched, nor its lines counted.

        Raises:
            FileRefusedError: the header is not accepted.

        """
        content = Content(text, self.on_chunk, is_judged=is_judged)
        path = self.file.name
        header = read_header(self.dataset, content.peek(), path, text.format, self._layouts)
        content.skip(header.size, header.dialect, header.odd_ids)
        clues = Clues(
            self.dataset.name,
            usual=header.layout.usual_order,
            declared=date_order_in(path) or header.layout.date_order,
            name=path,
            written_at=self.file.modified_at,
            is_spreadsheet=text.has_cells,
            earlier=self.earlier_orders,
        )
        return content, header, Reading(header, clues, decimal_mark_in(path))

    def has_copyable_dates(self, content: Content, header: Header, separator: str | None) -> bool:
        """Whether COPY may read the dates of the rows, as far as the first ones tell.

        PostgreSQL must not read an offset from UTC.

        Arguments:
            content: from `read_header`.
            header: the header.
            separator: what the dates have between their parts, None where COPY must not read them.

        """
        if header.layout.table:
            return True
        return bool(separator) and not (self.dataset.moment is not None and may_have_offsets(content.peek()))

    def watch_dates(self, content: Content, header: Header, reading: Reading, separator: str | None) -> Sight:
        """Return what gathers the dates of the rows from here on.

        Arguments:
            content: from `read_header`.
            header: the header, with the dialect in which COPY reads the rows.
            reading: from `read_header`.
            separator: what the dates have between their parts, None where they are not looked at.

        """
        sight = reading.sight(header.dialect.date_order)
        if separator:
            content.watch_dates(sight, separator.encode(), have_offsets=self.dataset.moment is not None)
        return sight

    @property
    def _layouts(self) -> tuple[Layout, ...]:
        return self.layouts or layouts_of(self.dataset, self.file.name)


@dataclass(frozen=True)
class Loaded:
    """What was loaded of a file.

    Arguments:
        counts: its records.
        checksum: SHA-256 of the bytes that were loaded, in hexadecimal.
        size: the number of these bytes.
        extra: headers that the dataset does not declare; their values are in `_extra`.
        header: all headers, as the file has them.
        dialect: how the file is written, as the manifest stores it.
        remarks: what was assumed to load it.
        certain_order: the order of its dates, if no other is possible.
        device: what wrote it.

    """

    counts: Counts
    checksum: str
    size: int
    extra: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    dialect: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    certain_order: DateOrder | None = None
    device: str | None = None

    @classmethod
    def of(cls, stream: HashedStream, header: Header, counts: Counts, remarks: Iterable[Remark]) -> "Loaded":
        """Return what was loaded, and read what is left of the file, so that the checksum is that of all bytes.

        Arguments:
            stream: the file.
            header: its header, with the dialect that it was read in.
            counts: its records.
            remarks: what was assumed of its values.

        """
        stream.drain()
        return cls(
            counts,
            stream.checksum,
            stream.size,
            extra=header.extra,
            header=header.names,
            dialect=header.dialect.to_json(),
            remarks=(*header.remarks, *remarks),
            certain_order=header.dialect.date_order if header.dialect.is_date_order_certain else None,
            device=header.layout.device,
        )
