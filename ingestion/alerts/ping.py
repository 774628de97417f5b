"""A check that expects to hear of each run, as healthchecks.io has them: it notices too when nothing is heard."""

from collections.abc import Iterator
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from ingestion.alerts.alert import Alert, safe
from ingestion.alerts.channel import Channel, Ending
from ingestion.alerts.http import Http
from ingestion.config import AlertSettings
from ingestion.results import RunResult

# a file that was reloaded by hand does not stand for the run that the check expects
_EXPECTED = {"run", "ingest", "transform"}
# what the smallest of these services keeps of a body
_MOST_BYTES = 10_000


class Ping(Channel):
    """The check's URL: start, success, failure with the log's last lines, each with the run's id."""

    gets_alerts = False

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        if settings.ping_url:
            yield cls(settings, "ping")

    def started(self, run: RunResult) -> None:
        if run.command in _EXPECTED:
            self._send("/start", str(run.run_id))

    def ended(self, ending: Ending) -> None:
        run = ending.run
        if run.command not in _EXPECTED:
            return
        if run.error is None:
            self._send("", str(run.run_id), f"{run.command} succeeded in {run.duration_seconds:.1f} s")
            return
        hint = getattr(run.error, "hint", None)
        lines = [safe(run.error_summary or ""), *([f"What to do: {safe(hint)}"] if hint else []), ""]
        text = "\n".join((*lines, *ending.log_tail))
        self._send("/fail", str(run.run_id), text)

    def test(self, alert: Alert) -> None:
        """Leave a line in the check's log, which does not change its state."""
        self._send("/log", None, alert.title)

    def _send(self, signal: str, run_id: str | None, text: str = "") -> None:
        url = urlsplit(self._settings.ping_url or "")
        address = urlunsplit(url._replace(path=url.path.rstrip("/") + signal))
        body = text.encode()
        if len(body) > _MOST_BYTES:
            head = body.partition(b"\n\n")[0][: _MOST_BYTES // 2]
            body = head + b"\n...\n" + body[len(head) + 5 - _MOST_BYTES :]
        Http(self._settings).send("POST", address, data=body, params={"rid": run_id} if run_id else None)
