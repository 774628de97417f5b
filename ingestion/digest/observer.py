"""Sends the digest after the first run of a week that has built the marts."""

from datetime import UTC, datetime

from ingestion import log
from ingestion.config import Settings
from ingestion.digest import sending
from ingestion.digest.weeks import week_to_send
from ingestion.errors import Interrupted, PipelineError
from ingestion.observers import Observer
from ingestion.results import RunResult


class Digest(Observer):
    """Sends the digest of the week, if it is due.

    Arguments:
        settings: the settings of the run, with a weekday and recipients.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        log.hide(settings.digest.secrets)

    def run_ended(self, run: RunResult) -> None:
        # who stops a run does not wait for a digest: the next run sends it
        if isinstance(run.error, Interrupted) or not _has_built(run):
            return
        now = _now()
        week = week_to_send(self._settings.digest.weekday or "", now.date())
        if week is None:
            return
        try:
            outcomes = sending.send(self._settings, week, run.run_id, now)
        except PipelineError as exc:
            log.event(f"no digest: {exc}", level=log.WARNING, hint=exc.hint)
            return
        for name, error in outcomes:
            if error is None:
                log.event(f"sent the digest of the week of {week} by {name}")


def _has_built(run: RunResult) -> bool:
    """Whether the marts are those of all that is loaded. A run with refused files fails, and has built them."""
    built = [step.status for step in run.steps if step.name == "dbt_build"]
    return bool(built) and built[-1] in {"success", "skipped"}


def _now() -> datetime:
    return datetime.now(UTC)
