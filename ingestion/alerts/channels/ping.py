"""Ping (healthchecks).

```
PIPELINE_ALERT_PING_URL=https://hc-ping.com/5bf66975-...
```

For [healthchecks.io](https://healthchecks.io), your own server of it, and services with the same protocol. Each `run`,
`ingest` and `transform` sends `/start` when its first step begins. At the end it requests the URL itself, or `/fail`
with the error and the last 50 lines of the log. All requests carry the run's id as `rid`. The check decides by itself
what to report, so that repeated failures are sent too. Commands that people run by hand (`reload`, `erase` and so on)
send nothing. `alert test` requests `/log`, which leaves the state of the check unchanged.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from ingestion.alerts.alert import Alert, safe
from ingestion.alerts.channel import Channel, FinishedRun
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import URL
from ingestion.config.setting import setting
from ingestion.results import RunResult

# the check expects these; a file reloaded by hand is none of them
_EXPECTED = {"run", "ingest", "transform"}
# the shortest body that one of these services stores
_MAX_BYTES = 10_000


@dataclass(frozen=True)
class PingSettings(ChannelSettings):
    """Settings of a check."""

    url: str | None = setting(
        "PIPELINE_ALERT_PING_URL",
        URL,
        "a check of healthchecks.io or a compatible service, which hears of every run",
        is_secret=True,
    )


class Ping(Channel[PingSettings]):
    """A check that expects a request from each run, and therefore notices a run that never started."""

    title = "Ping (healthchecks)"
    kind = "ping"
    settings_type = PingSettings
    receives_alerts = False

    def run_started(self, run: RunResult) -> None:
        if run.command in _EXPECTED:
            self._post("/start", str(run.run_id))

    def run_ended(self, finished: FinishedRun) -> None:
        run = finished.run
        if run.command not in _EXPECTED:
            return
        if run.error is None:
            self._post("", str(run.run_id), f"{run.command} succeeded in {run.duration_seconds:.1f} s")
            return
        hint = getattr(run.error, "hint", None)
        lines = [safe(run.error_summary or ""), *([f"What to do: {safe(hint)}"] if hint else []), ""]
        self._post("/fail", str(run.run_id), "\n".join((*lines, *finished.log_tail)))

    def send_test(self, alert: Alert) -> None:
        self._post("/log", None, alert.title)

    def _post(self, signal: str, run_id: str | None, text: str = "") -> None:
        url = urlsplit(self.settings.url or "")
        address = urlunsplit(url._replace(path=url.path.rstrip("/") + signal))
        body = text.encode()
        if len(body) > _MAX_BYTES:
            head = body.partition(b"\n\n")[0][: _MAX_BYTES // 2]
            body = head + b"\n...\n" + body[len(head) + 5 - _MAX_BYTES :]
        self.http.send("POST", address, data=body, params={"rid": run_id} if run_id else None)
