"""The parts of the fault laboratory that judge: its model, its reading of the wire protocol, and its clean-up."""

import gzip
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.torture import guard, table
from tests.torture.contents import DATASETS, USERS, Content, cut, grown, make, twin
from tests.torture.faults import FAULTS, fault_of
from tests.torture.findings import Finding
from tests.torture.model import Model
from tests.torture.proxy import AtByte, CutError, Link, LostAnswer, Proxy, Rule
from tests.torture.snapshot import Loaded, Snapshot
from tests.torture.table import Outcome
from tests.torture.wire import Messages
from tests.torture.zone import Zone, change, fill

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311


def query(text: str) -> bytes:
    body = text.encode() + b"\0"
    return b"Q" + (len(body) + 4).to_bytes(4, "big") + body


STARTUP = (12).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + b"user"
ENCRYPTION = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
READY = b"Z" + (5).to_bytes(4, "big") + b"I"
DONE = b"C" + (11).to_bytes(4, "big") + b"COMMIT\0"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_are_found_however_they_are_cut(size: int) -> None:
    sent = (
        ENCRYPTION
        + STARTUP
        + query("select 1")
        + b"d"
        + (100_004).to_bytes(4, "big")
        + b"x" * 100_000
        + query("COMMIT")
    )
    messages = Messages(is_client=True)
    found = [message for start in range(0, len(sent), size) for _, message in messages.feed(sent[start : start + size])]
    assert [message.kind for message in found] == [b"", b"", b"Q", b"d", b"Q"]
    assert [message.is_commit for message in found] == [False, False, False, False, True]


class Wire:
    """A proxy, a client and a server that answers each piece in turn."""

    def __init__(self, folder: Path, rule: Rule, *answers: bytes) -> None:
        self.received = bytearray()
        self._answers = list(answers)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "socket"))
        listener.listen()
        self.proxy = Proxy(folder / "socket")
        self.proxy.rule = rule
        self.server = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        self.server.start()
        self.client = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10)

    def _serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        while data := connection.recv(1 << 16):
            self.received += data
            if self._answers:
                connection.sendall(self._answers.pop(0))
        connection.close()
        listener.close()

    def read_all(self) -> bytes:
        """Read until the end or the reset of the connection."""
        received = bytearray()
        try:
            while data := self.client.recv(1 << 16):
                received += data
        except ConnectionResetError:
            pass
        return bytes(received)


def _cut(_: Link) -> None:
    raise CutError


def test_a_connection_is_cut_at_the_very_byte(tmp_path: Path) -> None:
    wire = Wire(tmp_path, rule := AtByte(1234, to_server=True, action=_cut))
    wire.client.sendall(b"x" * 5000)
    assert wire.read_all() == b""
    wire.server.join(10)
    assert rule.has_hit
    assert len(wire.received) == 1234
    wire.proxy.close()


@pytest.mark.parametrize("is_delivered", [True, False])
def test_a_connection_is_cut_between_commit_and_answer(tmp_path: Path, *, is_delivered: bool) -> None:
    wire = Wire(tmp_path, rule := LostAnswer(0, is_delivered), READY, DONE + READY)
    wire.client.sendall(STARTUP)
    assert wire.client.recv(100) == READY
    wire.client.sendall(query("COMMIT"))
    assert wire.read_all() == b""
    wire.server.join(10)
    assert rule.has_hit
    assert bytes(wire.received) == STARTUP + (query("COMMIT") if is_delivered else b"")
    wire.proxy.close()


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_file_has_the_rows_that_it_is_said_to_yield(dataset: str) -> None:
    content = make(seeded(1), dataset, 100, "some bad rows", ".csv.gz")
    lines = gzip.decompress(content.data).decode().splitlines()
    assert lines[0] == DATASETS[dataset].header
    bad = {number: line.decode() for number, line in content.rejected}
    assert all(lines[number - 1] == line for number, line in bad.items())
    good = [line for number, line in enumerate(lines[1:], start=2) if line and number not in bad]
    assert Counter(good) == Counter(content.rows)
    assert len(content.rows) + len(content.rejected) + content.blank == len(lines) - 1
    assert make(seeded(1), dataset, 100, "some bad rows", ".csv.gz").checksum == content.checksum


def test_changed_files_are_what_their_names_say() -> None:
    content = make(seeded(2), "heart_rate", 50)
    longer, shorter, other = grown(seeded(3), content, 5), cut(content, 20), twin(content)
    assert longer.data.startswith(content.data)
    assert content.data.startswith(shorter.data)
    assert len(shorter.rows) == 20
    assert len(other.data) == len(content.data)
    assert not set(other.rows) & set(content.rows)
    for changed in (longer, shorter, other):
        assert changed.data.decode().splitlines()[1:] == list(changed.rows)


def test_a_zone_is_decided_by_its_seed(tmp_path: Path) -> None:
    def checksums(folder: str) -> dict[str, str]:
        zone = Zone(tmp_path / folder)
        random = seeded(4)
        fill(random, zone, 12)
        change(random, zone)
        on_disk = {path.relative_to(zone.root).as_posix() for path in zone.root.rglob("*") if path.is_file()}
        assert on_disk == set(zone.current)
        return {name: content.checksum for name, content in zone.current.items()}

    assert checksums("one") == checksums("other")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    zone = Zone(tmp_path)
    zone.put("sleep_1.csv", make(seeded(5), "sleep", 20, "some bad rows"))
    return Model(zone)


def loaded(content: Content, name: str = "sleep_1.csv", file_id: int = 1) -> Snapshot:
    """Return what a database holds after the load of one file."""
    counts = (len(content.rows), len(content.rejected), content.blank)
    return Snapshot(
        [Loaded(content.dataset, name, content.checksum, file_id, sum(counts), *counts, 0)],
        {(content.dataset, file_id): Counter(content.rows)},
        {file_id: Counter(content.rejected)},
        set(),
        {},
        [],
        0,
        0,
    )


def kinds(findings: Iterator[Finding]) -> list[str]:
    return sorted({finding.kind for finding in findings})


def test_the_model_accepts_what_is_right(model: Model) -> None:
    (content,) = model.zone.current.values()
    assert list(model.inconsistencies(loaded(content))) == []
    assert list(model.shortcomings(loaded(content))) == []
    assert model.expected_exit_code() == 0


def test_the_model_names_what_is_wrong_with_rows(model: Model) -> None:
    (content,) = model.zone.current.values()
    right = loaded(content)
    rows = Counter(content.rows)
    first = content.rows[0]
    for wrong, expected in (
        (rows - Counter([first]), ["lost"]),
        (rows + Counter([first]), ["doubled"]),
        (rows + Counter(["700001,2026-01-01 00:00:00,9,9,9"]), ["mixed"]),
        (Counter(twin(content).rows), ["lost", "mixed"]),
    ):
        assert kinds(model.inconsistencies(replace(right, raw={("sleep", 1): wrong}))) == expected
    assert kinds(model.inconsistencies(replace(right, quarantine={}))) == ["lost"]
    assert kinds(model.inconsistencies(replace(right, raw={**right.raw, ("sleep", 2): rows}))) == ["doubled"]
    wrong_count = [replace(right.loaded[0], rows=len(content.rows) + 1)]
    assert kinds(model.inconsistencies(replace(right, loaded=wrong_count))) == ["silent"]


def test_the_model_compares_with_the_landing_zone(model: Model) -> None:
    (old,) = model.zone.current.values()
    new = make(seeded(6), "sleep", 10)
    model.zone.put("sleep_1.csv", new)
    assert kinds(model.shortcomings(loaded(old))) == ["lost", "mixed"]
    assert list(model.shortcomings(loaded(new))) == []
    # the same bytes under another name are a duplicate, whichever of the two is loaded
    model.zone.put("sleep_2.csv", new)
    assert list(model.shortcomings(loaded(new, "sleep_2.csv"))) == []
    model.retracted.add(new.checksum)
    assert kinds(model.shortcomings(loaded(new))) == ["doubled"]
    assert list(model.shortcomings(replace(loaded(new), loaded=[]))) == []


def test_rows_of_files_that_are_gone_must_stay(model: Model) -> None:
    (content,) = model.zone.current.values()
    model.kept = {("sleep_1.csv", content.checksum)}
    model.zone.delete("sleep_1.csv")
    assert list(model.shortcomings(loaded(content))) == []
    assert kinds(model.shortcomings(replace(loaded(content), loaded=[]))) == ["lost"]


def test_the_rows_of_an_erased_participant_must_not_come_back(model: Model) -> None:
    (content,) = model.zone.current.values()
    model.erased = USERS[0]
    left = content.without(USERS[0])
    assert len(left.rows) < len(content.rows)
    assert list(model.inconsistencies(loaded(content))) == [], "nothing is erased yet"
    assert kinds(model.inconsistencies(replace(loaded(content), erased=1))) == ["doubled"]
    assert list(model.inconsistencies(replace(loaded(left), erased=1))) == []


def test_the_table_counts_trials_and_not_findings() -> None:
    twice = (Finding("lost", "one"), Finding("lost", "another"))
    outcomes = [
        Outcome(1, "stall", has_hit=True, has_marts=False, seconds=1.0, findings=twice),
        Outcome(2, "stall", has_hit=False, has_marts=False, seconds=1.0),
    ]
    rows = table.table(outcomes, ["latency", "stall"])
    assert rows[1:] == [["stall", "2", "1", "1", "0", "0", "0", "0"], ["all", "2", "1", "1", "0", "0", "0", "0"]]
    assert "| stall | 2 | 1 | 1 | 0 | 0 | 0 | 0 |" in table.as_markdown(rows)
    assert str(outcomes[0]).startswith("seed 1 ")
    assert "lost: one; lost: another" in str(outcomes[0])


def test_every_seed_has_a_fault_and_every_fault_a_description() -> None:
    assert {fault_of(seed) for seed in range(len(FAULTS))} == set(FAULTS)
    described = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {fault.name: fault.text for fault in FAULTS}.items() <= described.items()


def test_the_guard_ends_processes_and_deletes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "laboratory"
    folder.mkdir()
    (folder / "file").touch()
    watching = guard.start(folder)
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=watching.pid)
    time.sleep(0.1)
    assert sleeping.poll() is None
    watching.communicate(timeout=20)
    assert sleeping.wait(1) < 0
    assert not folder.exists()
