"""The blocks of days in a report, and how many days it has room for."""

import struct
from collections.abc import Iterable, Sequence

import pytest

from ingestion.report.days import Packer, days_per_participant, status_changes
from tests.integration.report.reading import unpack

NONE = 65535
# steps, median, MAD, minutes asleep, flags
ANA = [(12_345, 300, NONE, 480, 0), (0, 65_534, 0, NONE, 5), (NONE, NONE, 6553, 1, 1), (65_534, 0, 1, 0, 24 + 400)]
BEN = [(7, 9000, 411, NONE, 0)]


def row(user_id: str, days: Sequence[tuple[int, ...]]) -> bytes:
    """Return a line as COPY writes it."""
    numbers = b"".join(struct.pack(">HHHH", steps ^ 0x8000, *others) for steps, *others, _ in days)
    flags = b"".join(struct.pack(">H", day[-1]) for day in days)
    name, digest, numbers, flags = (
        rb"\\x" + each.hex().encode() for each in (user_id.encode(), bytes(32), numbers, flags)
    )
    # ten days, of which the latest are packed; four are valid, two have alerts, three have sleep
    return (
        b"\t".join([name, digest, b"2026-03-01" if days else rb"\N", b"10", b"4", b"2", b"3", numbers, flags]) + b"\n"
    )


def packed(pieces: Iterable[bytes]) -> tuple[Packer, list[str]]:
    def copy(packer: Packer) -> None:
        for piece in pieces:
            packer.write(piece)

    packer, blocks = Packer(copy), list[str]()
    packer.pack(blocks.append)
    return packer, blocks


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_days_of_participants_come_out_as_they_went_in(size: int) -> None:
    text = row("Ana", ANA) + row("Çem", []) + row("Ben", BEN)
    packer, (block,) = packed(text[begin : begin + size] for begin in range(0, len(text), size))
    wanted = [tuple(None if value == NONE else value for value in day) for day in ANA + BEN]
    assert list(zip(*unpack(block), strict=True)) == wanted
    assert packer.block_sizes == [3]
    assert [each.user_id for each in packer.participants] == ["Ana", "Çem", "Ben"]
    assert [each.packed_days for each in packer.participants] == [4, 0, 1]
    assert [(each.days, each.valid_days, each.alerts, each.nights) for each in packer.participants] == [
        (10, 4, 2, 3)
    ] * 3
    # the latest days of ten that began on 1 March
    assert [str(each.first_packed_date) for each in packer.participants] == ["2026-03-07", "None", "2026-03-10"]


def test_a_block_ends_with_a_participant() -> None:
    year = [(1000 + day, 5000, 300, NONE, 0) for day in range(365)]
    packer, blocks = packed(row(f"P{number}", year) for number in range(100))
    assert packer.block_sizes == [44, 44, 12]
    assert [len(unpack(block)[0]) for block in blocks] == [44 * 365, 44 * 365, 12 * 365]
    # each block is unpacked without the one before
    assert [unpack(block)[1][0] for block in blocks] == [5000, 5000, 5000]


def test_nobody_to_pack() -> None:
    packer, blocks = packed([])
    assert (packer.block_sizes, packer.participants, blocks) == ([], [], [])


@pytest.mark.parametrize(
    ("user_days", "participants", "wanted"),
    [(0, 0, None), (36 * 120, 36, None), (5000 * 364, 5000, None), (10_000 * 365, 10_000, 182), (10**8, 3_000_000, 1)],
)
def test_a_large_report_has_the_latest_days(user_days: int, participants: int, wanted: int | None) -> None:
    assert days_per_participant(user_days, participants) == wanted


def test_the_changes_of_status_need_no_order() -> None:
    days = [(20_514, "n"), (20_515, "n"), (20_516, "s"), (20_517, "d"), (20_518, "d"), (20_519, "n")]
    shuffled = b"".join(struct.pack(">i", 256 * day + ord(letter)) for day, letter in days[::2] + days[::-2])
    assert status_changes(shuffled) == "n20514 s20516 d20517 n20519"
