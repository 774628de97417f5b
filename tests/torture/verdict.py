"""Judges a trial after its fault: data, records, exit codes, and what is left behind."""

import hashlib
import signal
import time
from collections.abc import Iterator

from tests.torture import snapshot
from tests.torture.findings import Finding
from tests.torture.process import Command
from tests.torture.snapshot import Snapshot
from tests.torture.trial import Trial

# the product promises 5 s; the machine may be busy with other work
_SIGNAL_SECONDS = 10.0
# a command that was almost done may end as if there had been no signal
_ALMOST_DONE_SECONDS = 6.0
_DRAIN_SECONDS = 6.0
_EXIT_CODES = {0, 1, 65, 69, 75}
# what a command says that ends without its clean-up
_GIVEN_UP = "the clean-up takes too long"
_USAGE = 64
_BUG = 70
_BY_NAME = {"retract", "reload", "rejected"}


def at_the_fault(trial: Trial) -> Iterator[Finding]:
    """Judge the database right after the fault: every file is there as a whole or not at all."""
    if not snapshot.is_migrated(trial.server, trial.database):
        return
    now = snapshot.take(trial.server, trial.database)
    yield from trial.model.inconsistencies(now)
    if trial.commands and _has_loaded_alone(trial.commands[-1], trial):
        for finding in trial.model.shortcomings(now):
            yield Finding("silent", f"{trial.commands[-1].name} succeeded, although {finding.text}")


def at_the_end(trial: Trial, last: Command, *, keeps_database: bool) -> Iterator[Finding]:
    """Judge everything after the last run.

    Arguments:
        trial: the trial.
        last: the last run, which nothing has disturbed.
        keeps_database: whether commands could record their end during the fault.

    """
    if last.exit_code != trial.model.expected_exit_code():
        yield Finding("silent", f"the last run ended with {last.exit_code}{_reason(last)}")
    final = snapshot.take(trial.server, trial.database)
    yield from trial.model.inconsistencies(final)
    yield from trial.model.shortcomings(final)
    for command in trial.commands:
        yield from _of_command(command)
        yield from _of_record(command, final, keeps_database=keeps_database or command is last)
    yield from _of_unfinished(final)
    yield from _of_sessions(trial)
    yield from _of_disk(trial)


def _has_loaded_alone(command: Command, trial: Trial) -> bool:
    """Whether a load has succeeded, and nothing has changed the files or the database since it began."""
    others = [each for each in trial.commands if each is not command]
    return (
        command.name in {"ingest", "run"}
        and command.exit_code == 0
        and command.zone_version == trial.zone.version
        and all(each.ended_at < command.started_at for each in others)
    )


def _of_command(command: Command) -> Iterator[Finding]:
    code, sent = command.exit_code, {each.number for each in command.signals}
    name = command.arguments[0]
    if command.hung:
        yield Finding("other", f"{command.name} did not end")
    elif code == _BUG:
        yield Finding("other", f"{command.name}: exit code 70{_reason(command)}")
    else:
        expected = _EXIT_CODES | {128 + number for number in sent} | ({_USAGE} if name in _BY_NAME else set())
        expected |= {-signal.SIGKILL} if signal.SIGKILL in sent else set()
        if code not in expected:
            yield Finding("other", f"{command.name}: exit code {code}{_reason(command)}")
    polite = [each for each in command.signals if each.number != signal.SIGKILL]
    if polite and not command.hung:
        took, signum = command.ended_at - polite[0].sent_at, signal.Signals(polite[0].number)
        if took > (_SIGNAL_SECONDS if code == 128 + signum else _ALMOST_DONE_SECONDS):
            yield Finding("other", f"{command.name}: ended {took:.0f} s after {signum.name}, with {code}")


def _of_record(command: Command, final: Snapshot, *, keeps_database: bool) -> Iterator[Finding]:
    """Compare the record of a run with its exit code."""
    if command.run_id not in final.runs:
        if command.exit_code == 0 and command.run_id:
            yield Finding("silent", f"{command.name} succeeded, and is not recorded")
        return
    status, recorded = final.runs[command.run_id]
    name, code = f"{command.name} ({command.run_id[:8]})", command.exit_code
    if code == -signal.SIGKILL:
        failed = [step for run, step, status in final.steps if run == command.run_id and status == "failure"]
        if status == "success" and failed:
            yield Finding("silent", f"{name} was killed and failed in {failed[0]}, and is recorded as a success")
    elif (status == "success") != (code == 0):
        yield Finding("silent", f"{name} ended with {code}, and is recorded as {status}")
    elif recorded is None and any(_GIVEN_UP in str(line) for line in command.errors):
        # the clean-up took longer than a signal may wait, so that the next run has recorded it as dead
        return
    elif recorded != code and (recorded is not None or keeps_database):
        yield Finding("silent", f"{name} ended with {code}, and {recorded} is recorded")


def _of_unfinished(final: Snapshot) -> Iterator[Finding]:
    for run_id, (status, _) in final.runs.items():
        if status == "running":
            yield Finding("silent", f"run {run_id[:8]} is recorded as running")
    for run_id, step, status in final.steps:
        if status == "running":
            yield Finding("silent", f"step {step} of run {run_id[:8]} is recorded as running")
    if final.claims:
        yield Finding("other", f"{final.claims} claims of files are left")


def _of_sessions(trial: Trial) -> Iterator[Finding]:
    """Look for sessions and locks; a session ends a moment after its client."""
    query = (
        "select (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()),"
        " (select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database"
        " where locktype = 'advisory' and datname = current_database())"
    )
    deadline = time.monotonic() + _DRAIN_SECONDS
    while (counts := trial.server.rows(query, database=trial.database)[0]) != (0, 0):
        if time.monotonic() > deadline:
            yield Finding("other", f"{counts[0]} sessions and {counts[1]} locks are left")
            return
        time.sleep(0.05)


def _of_disk(trial: Trial) -> Iterator[Finding]:
    root, current = trial.zone.root, trial.zone.current
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        if name.startswith(".archive/."):
            # marks of the pipeline's own are empty; a file with bytes waits there to be moved
            if path.stat().st_size:
                yield Finding("other", f"{name} is neither in the landing zone nor in its archive")
        elif name.startswith(".archive/"):
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            if checksum[:16] != name.split("/")[1]:
                yield Finding("lost", f"{name} has other bytes than its folder says")
        elif name not in current:
            yield Finding("other", f"{name} is left in the landing zone")
    for name, content in current.items():
        places = (root / name, root / ".archive" / content.checksum[:16] / name)
        if not any(path.is_file() and path.read_bytes() == content.data for path in places):
            yield Finding("lost", f"{name}: its bytes are neither in the landing zone nor in its archive")
    # only a run that writes a report looks after the reports
    reports = (trial.folder / "reports").rglob(".*") if trial.has_marts else ()
    hidden = [path for path in reports if path.is_file()]
    for path in [*trial.temporary.iterdir(), *hidden]:
        yield Finding("other", f"{path.name} is left behind, although it is older than a day")


def _reason(command: Command) -> str:
    """Return the last line that a command wrote about its failure."""
    summary = next((line["message"] for line in reversed(command.lines) if line.get("level") == "error"), None)
    last = command.errors[-1] if command.errors else None
    traced = next((line["exc_info"] for line in command.lines if line.get("exc_info")), "").strip().splitlines()[-1:]
    text = "; ".join(str(each) for each in (*traced, summary or last) if each)
    return f" ({' '.join(text.split())[:300]})" if text else ""
