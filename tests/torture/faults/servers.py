"""The end of sessions and of the server."""

import signal
import threading
import time

from tests.torture.faults.base import Fault
from tests.torture.proxy import AtByte, Link
from tests.torture.trial import Trial

_OURS = "datname = current_database() and pid <> pg_backend_pid()"
_LOCK_HOLDER = """
select pid from pg_stat_activity where state = 'idle' and datname = current_database()
and pid in (select pid from pg_locks where locktype = 'advisory' and granted) limit 1
"""
_LONGEST_OUTAGE = 3.0
_ERASE_SECONDS = 20.0


def _session_terminated(trial: Trial) -> bool:
    """Terminate a random session, one that is idle as likely as one that loads."""
    trial.prepare()
    number = trial.random.randrange(100)
    has_hit = []

    def terminate(_: Link) -> None:
        sessions = trial.server.rows(
            f"select pid from pg_stat_activity where {_OURS} order by backend_start", database=trial.database
        )
        if sessions:
            (pid,) = sessions[number % len(sessions)]
            has_hit.append(trial.server.rows("select pg_terminate_backend(%s)", pid) == [(True,)])

    trial.impose(AtByte(trial.instant(), to_server=True, action=terminate))
    trial.load()
    return any(has_hit)


def _lock_lost(trial: Trial) -> bool:
    """Terminate the idle session that holds a run's locks, and erase a participant while that run goes on."""
    trial.prepare(large=1)
    trial.variables["PIPELINE_WORKERS"] = "1"
    large = trial.zone.plain()[0]
    trial.model.erased = int(trial.zone.current[large].rows[0].split(",")[0])
    erasing = []
    begun, ended = threading.Event(), threading.Event()

    def terminate(_: Link) -> None:
        begun.set()
        for (pid,) in trial.server.rows(_LOCK_HOLDER, database=trial.database):
            trial.server.rows("select pg_terminate_backend(%s)", pid)
            time.sleep(0.2)
            erase = trial.start("erase", "--user-id", str(trial.model.erased))
            erasing.append(erase)
            # the lock is free, so it erases now; if it waits for the run after all, the run must go on
            if erase.await_log("erase", "success", _ERASE_SECONDS):
                erase.send(signal.SIGTERM)
        ended.set()

    trial.impose(AtByte(trial.loading_instant(large), to_server=True, action=terminate))
    trial.load()
    # a run that has lost its locks can end before the erasure has begun
    if begun.is_set():
        ended.wait(_ERASE_SECONDS)
    for erase in erasing:
        if erase.await_log("dbt_build", "started"):
            erase.send(signal.SIGTERM)
        erase.wait()
    return bool(erasing)


def _stopped_at_once(trial: Trial) -> bool:
    """Stop the server at once, and start it again after a while."""
    trial.prepare()
    outage = trial.random.uniform(0, _LONGEST_OUTAGE)
    is_stopped = threading.Event()

    def stop(_: Link) -> None:
        trial.server.stop_at_once()
        is_stopped.set()

    trial.impose(AtByte(trial.instant(), to_server=True, action=stop))
    command = trial.start(trial.command)
    command.wait_until(is_stopped.is_set)
    time.sleep(outage)
    trial.server.ensure_running()
    command.wait()
    return is_stopped.is_set()


FAULTS = (
    Fault(
        "session terminated",
        "pg_terminate_backend ends a random session of a run, idle or not.",
        _session_terminated,
        keeps_database=False,
    ),
    Fault(
        "locks lost",
        "pg_terminate_backend ends the idle session that holds a run's locks; meanwhile a participant is erased.",
        _lock_lost,
        keeps_database=False,
    ),
    Fault(
        "server stopped at once",
        "The server stops without a checkpoint (SIGQUIT) and starts again up to 3 s later.",
        _stopped_at_once,
        keeps_database=False,
    ),
)
