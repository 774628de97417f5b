"""Pack the days of all participants into blocks, so that neither the writer nor the page holds all days at once.

A block is zlib over five planes of 2-byte numbers, the days of one participant after those of another: steps, usual
steps (median), spread (MAD of ln steps, in ten-thousandths), minutes asleep, flags. A plane stores its low bytes before
its high bytes. Median and MAD are stored as differences from the day before. Both halve the size of the compressed
block. 65535 means no value. `data.js` reads this format.
"""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

# a page unpacks one block at a time
_DAYS_PER_BLOCK = 16_000
_NO_VALUE = 0xFFFF
# as COPY writes it
_NULL = rb"\N"
# int2send() sends signed numbers; the query subtracts 32768
_SIGN_BIT = 0x8000
_REASON_BITS = 7
_ALERT_BIT = 8
_PLANES = 5
# a report grows by about 5 MB per million days
_MAX_DAYS = 4_000_000


@dataclass(frozen=True)
class Participant:
    """What the page knows about a participant before it unpacks their days.

    Arguments:
        user_id: the participant.
        digest: the hash that the pseudonym is taken from.
        first_date: the first of all their days; None where there are none.
        days: the number of all their days.
        packed_days: how many of the latest days are in the block.
        valid_days: the number of valid days.
        alerts: the number of alerts.
        nights: the number of days with sleep.

    """

    user_id: str
    digest: bytes
    first_date: date | None
    days: int
    packed_days: int
    valid_days: int
    alerts: int
    nights: int

    @property
    def first_packed_date(self) -> date | None:
        """The first day in the block; None where there are no days."""
        return self.first_date + timedelta(days=self.days - self.packed_days) if self.first_date else None


def days_per_participant(user_days: int, participants: int) -> int | None:
    """Return how many of the latest days of each participant a report has room for; None if for all.

    Arguments:
        user_days: the number of days of all participants together.
        participants: the number of participants.

    """
    return None if user_days <= _MAX_DAYS else max(_MAX_DAYS // max(participants, 1), 1)


class Packer:
    """Packs the days of participants into blocks.

    Arguments:
        copy: sends the result of the query `days` to a stream with COPY. PostgreSQL runs COPY in parallel, but not a
            cursor.
        max_days: the number of the latest days of each participant to pack; None for all.

    """

    def __init__(self, copy: Callable[["Packer"], None], max_days: int | None) -> None:
        self._copy = copy
        self._max_days = max_days
        self._emit: Callable[[str], object] = _discard
        self._incomplete_line = b""
        self._planes: list[list[Any]] = [[] for _ in range(_PLANES)]
        self._participants_in_block = self._days_in_block = 0
        self.participants: list[Participant] = []
        # the number of participants in each block
        self.block_sizes: list[int] = []

    def pack(self, emit: Callable[[str], object]) -> None:
        """Read all days and pass on each block as soon as it is complete.

        Arguments:
            emit: is called with each block, as base64.

        """
        self._emit = emit
        self._copy(self)
        if self._participants_in_block:
            self._end_block()

    def write(self, data: bytes) -> None:
        """Read what COPY sends: one line per participant.

        Arguments:
            data: several lines, or a part of one.

        """
        *lines, self._incomplete_line = (self._incomplete_line + data).split(b"\n")
        for line in lines:
            user_id, digest, first_date, days, *packed = line.split(b"\t")
            self._add(
                _decode_hex(user_id).decode(),
                _decode_hex(digest),
                None if first_date == _NULL else date.fromisoformat(first_date.decode()),
                int(days),
                packed,
            )

    def _add(self, user_id: str, digest: bytes, first_date: date | None, days: int, packed: list[bytes]) -> None:
        import numpy as np  # noqa: PLC0415  (importing it takes a tenth of a second, which a skipped report saves)

        steps, median, mad, asleep, flags = (
            np.frombuffer(_decode_hex(column), ">u2").astype("u2") ^ _SIGN_BIT for column in packed
        )
        packed_days = min(days, self._max_days or days)
        self.participants.append(
            Participant(
                user_id=user_id,
                digest=digest,
                first_date=first_date,
                days=days,
                packed_days=packed_days,
                valid_days=int((flags & _REASON_BITS == 0).sum()),
                alerts=int((flags & _ALERT_BIT != 0).sum()),
                nights=int((asleep != _NO_VALUE).sum()),
            )
        )
        latest = [series[days - packed_days :] for series in (steps, median, mad, asleep, flags)]
        for place in (1, 2):
            latest[place] = np.diff(latest[place], prepend=np.uint16(0)).astype("u2")
        for plane, series in zip(self._planes, latest, strict=True):
            plane.append(series)
        self._participants_in_block += 1
        self._days_in_block += packed_days
        if self._days_in_block >= _DAYS_PER_BLOCK:
            self._end_block()

    def _end_block(self) -> None:
        import numpy as np  # noqa: PLC0415

        self.block_sizes.append(self._participants_in_block)
        content = bytearray()
        for plane in self._planes:
            joined = np.concatenate(plane).astype("<u2").view("u1")
            content += joined[0::2].tobytes() + joined[1::2].tobytes()
        self._emit(base64.b64encode(zlib.compress(bytes(content), 9)).decode("ascii"))
        self._planes = [[] for _ in range(_PLANES)]
        self._participants_in_block = self._days_in_block = 0


def _discard(block: str) -> None:
    """Stand in for `emit` until `pack` is called."""


def _decode_hex(column: bytes) -> bytes:
    """Return the bytes of a bytea column, which COPY writes as two backslashes, an x and hexadecimal digits."""
    return bytes.fromhex(column[3:].decode("ascii"))
