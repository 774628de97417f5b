"""The days of all persons, packed small: a block of some persons at a time, so that neither we nor the page hold all.

A block is zlib over five planes of 2-byte numbers, one person's days behind another's: steps, usual steps, their
spread, minutes asleep, flags. The low bytes of a plane come before its high bytes, and the usual and its spread are
differences from day to day: both make the same content half as long. Where there are a great many days the figures are
rounded, and the usual and its spread are logarithms, so that a file stays below 15 MB. 65535 stands for nothing.
"""

import base64
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

# of a block: what a page unpacks at once
_DAYS_A_BLOCK = 16_000
_NOTHING = 0xFFFF
_SIGN = 0x8000
_MINUTES = 5
_ALERT = 8
_WEAR = 16
# steps, median, MAD, minutes asleep, flags
_PLANES = 5

# up to so many user-days: to how many steps they are rounded
_ROUNDING = {1_000_000: 1, 2_000_000: 20, 4_000_000: 50}
_COARSEST = 100
# of the logarithm: a twentieth of e, so that what is usual is right to 3 %
_LOG_STEPS = 20


@dataclass(frozen=True)
class Person:
    """What the page knows of somebody before it unpacks their days.

    Arguments:
        user_id: who.
        digest: the hash that their pseudonym comes from.
        first_date: of their days.
        days: how many.
        last_valid: the number of the last valid day, from 0; -1 where there is none.
        valid_days: how many are valid.
        alerts: how many are alerts.
        nights: how many have sleep.

    """

    user_id: int
    digest: bytes
    first_date: date
    days: int
    last_valid: int
    valid_days: int
    alerts: int
    nights: int


def precision(user_days: int) -> int:
    """Return to how many steps the figures of days are rounded: 1 unless there are a great many."""
    return next((rounding for days, rounding in _ROUNDING.items() if user_days <= days), _COARSEST)


class Packer:
    """Packs persons' days into blocks.

    Arguments:
        copy: sends what the query `days` gives to a stream, as COPY does: a cursor would not be read in parallel.
        rounding: to how many steps figures are rounded.

    """

    def __init__(self, copy: Callable[["Packer"], None], rounding: int) -> None:
        self._copy = copy
        self._rounding = rounding
        self._emit: Callable[[str], object] = _drop
        self._rest = b""
        self._planes: list[list[Any]] = [[] for _ in range(_PLANES)]
        self._size = self._days = 0
        self.people: list[Person] = []
        # how many persons are in each block
        self.sizes: list[int] = []

    def pack(self, emit: Callable[[str], object]) -> None:
        """Read all days.

        Arguments:
            emit: called with each block, as base64.

        """
        self._emit = emit
        self._copy(self)
        if self._size:
            self._end_block()

    def write(self, data: bytes) -> None:
        """Take what COPY sends: a line a person.

        Arguments:
            data: lines, or a part of one.

        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            user_id, digest, first_date, count, *packed = line.split(b"\t")
            self._add(int(user_id), _bytes(digest), date.fromisoformat(first_date.decode()), int(count), packed)

    def _add(self, user_id: int, digest: bytes, first_date: date, count: int, packed: list[bytes]) -> None:
        series = [_unpacked(_bytes(column)) for column in packed]
        self.people.append(self._person(user_id, digest, first_date, count, series))
        for plane, column in zip(self._planes, self._coded(series), strict=True):
            plane.append(column)
        self._size, self._days = self._size + 1, self._days + count
        if self._days >= _DAYS_A_BLOCK:
            self._end_block()

    def _person(self, user_id: int, digest: bytes, first_date: date, count: int, series: list[Any]) -> Person:
        *_, asleep, flags = series
        valid = (flags % _ALERT == 0).nonzero()[0]
        return Person(
            user_id=user_id,
            digest=digest,
            first_date=first_date,
            days=count,
            last_valid=int(valid[-1]) if len(valid) else -1,
            valid_days=len(valid),
            alerts=int((flags & _ALERT != 0).sum()),
            nights=int((asleep != _NOTHING).sum()),
        )

    def _coded(self, series: list[Any]) -> Iterator[Any]:
        steps, median, mad, asleep, flags = series
        is_exact = self._rounding == 1
        yield _rounded(steps, self._rounding)
        yield _differences(median) if is_exact else _logarithms(median)
        yield _differences(mad) if is_exact else _logarithms(mad)
        yield _rounded(asleep, 1 if is_exact else _MINUTES)
        yield flags

    def _end_block(self) -> None:
        import numpy as np  # noqa: PLC0415

        self.sizes.append(self._size)
        content = bytearray()
        for plane in self._planes:
            joined = np.concatenate(plane).astype("<u2").view("u1")
            content += joined[0::2].tobytes() + joined[1::2].tobytes()
        self._emit(base64.b64encode(zlib.compress(bytes(content), 9)).decode("ascii"))
        self._planes = [[] for _ in range(_PLANES)]
        self._size = self._days = 0


def _drop(block: str) -> None:
    """Serve until somebody wants the blocks."""


def _bytes(column: bytes) -> bytes:
    """Return the bytes that COPY writes as two backslashes, an x and hexadecimal digits."""
    return bytes.fromhex(column[3:].decode("ascii"))


def _unpacked(column: bytes) -> Any:
    import numpy as np  # noqa: PLC0415  (a tenth of a second, which a run without changes saves)

    return np.frombuffer(column, ">u2").astype("u2") ^ _SIGN


def _rounded(series: Any, to: int) -> Any:
    import numpy as np  # noqa: PLC0415

    return (
        series if to == 1 else np.where(series == _NOTHING, _NOTHING, (series + np.uint32(to // 2)) // to).astype("u2")
    )


def _logarithms(series: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.where(series == _NOTHING, _NOTHING, np.round(np.log1p(series) * _LOG_STEPS)).astype("u2")


def _differences(series: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.diff(series, prepend=np.uint16(0)).astype("u2")
