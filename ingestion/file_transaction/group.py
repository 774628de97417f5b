"""Load a group of files in one transaction.

The rows of the files and their records in the manifest commit together. A group is bounded in time and size, so that a
kill costs seconds.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ingestion import db, manifest
from ingestion.containment import contained
from ingestion.errors import FileRefusedError
from ingestion.file_transaction.context import Context
from ingestion.file_transaction.date_orders import DraftOrders
from ingestion.file_transaction.files import Due, KnownContent, Outcome
from ingestion.file_transaction.settlement import LoadedRows, Settlement
from ingestion.load import Bundled, FileToLoad, Left, Loaded, Ready, copy_together, examine, load
from ingestion.load.progress import OnChunk, ignore_progress, watch
from ingestion.load.stream import checksum_of
from ingestion.manifest import Asked, Known
from ingestion.results import FileResult
from ingestion.storage.read_once import MOST_BYTES
from ingestion.workers import StoppedError

# a kill, or a failure of the group, costs so much
_MOST_SECONDS = 5.0
# packed files have more text than bytes
_MOST_TEXT_BYTES = 4 << 20


@dataclass
class Member:
    """A file of a group.

    Arguments:
        due: the file.
        file_id: the `_file_id` of its rows.
        loaded: what was loaded of it, once it was.

    """

    due: Due
    file_id: int
    loaded: Loaded | None = None


class Group:
    """Files that are loaded in one transaction.

    Arguments:
        context: what all transactions need.
        connection: in the transaction.
        files: the files.

    """

    def __init__(self, context: Context, connection: db.Connection, files: Sequence[Due]) -> None:
        self._context = context
        self._connection = connection
        self._files = files
        self._members: dict[int, Member] = {}
        self._orders = DraftOrders(context.date_orders, context.schema)
        self.outcomes: dict[int, Outcome] = {}

    def claim(self) -> None:
        """Claim the files, and leave those that another worker is loading, or whose bytes are known."""
        reserved = manifest.reserve(
            self._connection,
            self._context.schema,
            [due.key for due in self._files],
            with_claims=self._context.claims is not None,
        )
        for place, (due, (is_claimed, file_id)) in enumerate(zip(self._files, reserved, strict=True)):
            if is_claimed and file_id is not None:
                self._members[place] = Member(due, file_id)
            else:
                self.outcomes[place] = FileResult(
                    due.file.name, due.dataset.name, "claimed", reason="another worker is loading it"
                )
        self._leave_known()

    def load(self) -> None:
        """Load the rows of the files that are left. One that cannot be loaded does not prevent the others."""
        started = time.monotonic()
        bundle: dict[int, Bundled] = {}
        text_bytes = 0
        # by place, whether COPY has refused the rows as they are, or would
        alone: dict[int, bool] = {}
        for place, member in list(self._members.items()):
            self._check_stop()
            examined = self._examine(place, member)
            if isinstance(examined, Left):
                alone[place] = not examined.may_copy
            if not isinstance(examined, Ready):
                continue
            bundle[place] = Bundled(member.file_id, examined)
            text_bytes += len(examined.rows)
            if text_bytes > _MOST_TEXT_BYTES:
                alone |= dict.fromkeys(self._copy(bundle), True)
                bundle, text_bytes = {}, 0
        alone |= dict.fromkeys(self._copy(bundle), True)
        for place, is_refused_by_copy in sorted(alone.items()):
            if time.monotonic() - started > _MOST_SECONDS and self._has_loaded():
                # what is loaded is committed first
                del self._members[place]
            else:
                self._load_alone(place, is_refused_by_copy=is_refused_by_copy)

    def settle(self) -> None:
        """Record the files that are loaded, and those whose bytes other files have, and delete their older rows.

        Raises:
            UndoneError: some of them must not be loaded after all.

        """
        duplicates = {
            place: outcome
            for place, outcome in self.outcomes.items()
            if isinstance(outcome, KnownContent)
            and outcome.original
            and outcome.original.filename != self._files[place].file.name
        }
        settlement = Settlement(self._context, self._connection, self._files)
        self.outcomes |= settlement.settle(
            {
                place: LoadedRows(member.file_id, member.loaded)
                for place, member in self._members.items()
                if member.loaded
            },
            duplicates,
        )

    def commit(self) -> None:
        """Note what is committed now."""
        self._orders.commit()

    def _leave_known(self) -> None:
        """Leave the files whose bytes are known, and those with the bytes of another one of the group."""
        asked: dict[int, Asked] = {}
        for place, member in list(self._members.items()):
            due = member.due
            with self._contained(place):
                manifest.check_name(due.file.name)
                checksum = due.checksum
                if checksum is None and due.file.size <= MOST_BYTES:
                    checksum = checksum_of(self._context.storage, due.file)
                asked[place] = due.asked(checksum)
        found = self._context.look_up(self._connection, list(asked.values())) if asked else []
        seen: set[tuple[str | None, ...]] = set()
        for (place, question), known in zip(asked.items(), found, strict=True):
            with self._contained(place):
                content = self._known_content(self._members[place].due, question, known)
                if content:
                    self.outcomes[place] = content
                if content or (question.checksum and question.content in seen):
                    # once the first of them is committed, the next group sees it
                    del self._members[place]
                seen.add(question.content)

    def _known_content(self, due: Due, question: Asked, known: Known) -> KnownContent | None:
        loaded_before = due.known.file_id if due.known else None
        if question.checksum is None and known.older_id not in {None, loaded_before}:
            # another process has loaded a file of this name since the manifest was read
            question = due.asked(checksum_of(self._context.storage, due.file))
            (known,) = self._context.look_up(self._connection, [question])
        return self._context.known_content(due, known, question.checksum)

    def _examine(self, place: int, member: Member) -> Ready | Left | None:
        """Return the rows of a small file that COPY can take with those of others; None where it is refused."""
        if member.due.file.size > MOST_BYTES:
            return Left()
        with self._contained(place):
            examined = examine(self._work(member.due, ignore_progress))
            if isinstance(examined, Ready):
                self._note_order(member.due, examined.loaded)
            return examined
        return None

    def _copy(self, bundle: Mapping[int, Bundled]) -> list[int]:
        """Copy the rows of files, and return the places of those that COPY has refused."""
        refused = {each.file_id for each in copy_together(self._connection, bundle.values())}
        for place, each in bundle.items():
            if each.file_id not in refused:
                self._members[place].loaded = each.ready.loaded
        return [place for place, each in bundle.items() if each.file_id in refused]

    def _load_alone(self, place: int, *, is_refused_by_copy: bool) -> None:
        member = self._members[place]
        file = member.due.file
        with self._contained(place), watch(file.name, file.size) as on_chunk, db.savepoint(self._connection):
            member.loaded = load(
                self._connection,
                self._work(member.due, self._stoppable(on_chunk)),
                member.file_id,
                self._context.run_id,
                is_refused_by_copy=is_refused_by_copy,
            )
            self._note_order(member.due, member.loaded)

    @contextmanager
    def _contained(self, place: int) -> Iterator[None]:
        """Make what goes wrong with a file in the block its outcome."""
        due = self._members[place].due
        try:
            with contained(due.file.name):
                yield
        except FileRefusedError as exc:
            self.outcomes[place] = exc
            self._members.pop(place, None)

    def _has_loaded(self) -> bool:
        return any(member.loaded for member in self._members.values())

    def _work(self, due: Due, on_chunk: OnChunk) -> FileToLoad:
        return FileToLoad(
            self._context.storage,
            due.file,
            due.dataset,
            self._context.schema,
            on_chunk,
            partial(self._orders.beside, self._connection, due.dataset, due.file),
            due.layouts,
        )

    def _note_order(self, due: Due, loaded: Loaded) -> None:
        if loaded.certain_order:
            self._orders.add(due.dataset, due.file, loaded.certain_order)

    def _check_stop(self) -> None:
        if self._context.stop.is_set():
            raise StoppedError

    def _stoppable(self, on_chunk: OnChunk) -> OnChunk:
        """Return a callback that ends the load once `stop` is set."""

        def advance(size: int, lines: int) -> None:
            self._check_stop()
            on_chunk(size, lines)

        return advance
