"""Issues on GitHub: one for each thing that is wrong, commented on while it lasts, closed when it is over."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, ChannelError, Ending
from ingestion.alerts.http import Http
from ingestion.config import AlertSettings

LABEL = "pipeline-failure"

_PAGE, _MOST_PAGES = 100, 20
_MARKER = re.compile(r"<!-- wearables-pipeline alert ([0-9a-f]+) -->")


class GitHub(Channel):
    """The issues of a repository, which remember themselves what is open."""

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        if settings.github_repository:
            yield cls(settings, "github")

    def tell(self, alert: Alert) -> None:
        issue = self._open_issues().get(alert.thread)
        if alert.is_over:
            if issue:
                self._close(issue, _body(alert))
        elif issue:
            self._send("POST", f"/issues/{issue}/comments", {"body": _body(alert)})
        else:
            self._open(alert)

    def ended(self, ending: Ending) -> None:
        """Close what a success is the end of, also where nobody has kept a record of the failure."""
        issues = self._open_issues() if ending.ended_topics else {}
        for topic in ending.ended_topics:
            thread = Alert("recovery", self._settings.name, topic, "").thread
            if thread in issues:
                self._close(issues[thread], f"Run {ending.run.run_id} succeeded.")

    def test(self, alert: Alert) -> None:
        """Open an issue, and close it at once."""
        self._close(self._open(alert), "It was only a test.")

    def _open(self, alert: Alert) -> int:
        body = f"{_body(alert)}\n\n<!-- wearables-pipeline alert {alert.thread} -->"
        created = self._send("POST", "/issues", {"title": alert.title, "body": body, "labels": [LABEL]})
        # without the right to it a label is left out and nothing is said: the issue would not be found again
        if LABEL not in {label["name"] for label in created["labels"]}:
            raise ChannelError("the token may not set a label: it needs the right to write issues")
        return int(created["number"])

    def _close(self, number: int, comment: str) -> None:
        # in this order: what is repeated after a failure finds no open issue, and comments no second time
        self._send("PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "completed"})
        self._send("POST", f"/issues/{number}/comments", {"body": comment})

    def _open_issues(self) -> dict[str, int]:
        """Return the numbers of the open issues by what they are about."""
        found: dict[str, int] = {}
        parameters = {"state": "open", "labels": LABEL, "per_page": str(_PAGE)}
        for page in range(1, _MOST_PAGES + 1):
            issues = self._send("GET", "/issues", parameters={**parameters, "page": str(page)})
            for issue in issues:
                # GitHub lists pull requests as issues too
                if "pull_request" not in issue and (marker := _MARKER.search(issue["body"] or "")):
                    found.setdefault(marker[1], int(issue["number"]))
            if len(issues) < _PAGE:
                break
        return found

    def _send(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Any:
        settings = self._settings
        url = f"{settings.github_api_url.rstrip('/')}/repos/{settings.github_repository}{path}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {settings.github_token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        return Http(settings).send(method, url, json=body, params=parameters, headers=headers).json()


def _body(alert: Alert) -> str:
    # as code, so that nothing in it is read as Markdown or as a mention
    text = f"{alert.title}\n\n{replace(alert, link=None).text}"
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines()) + (f"\n\n{alert.link}" if alert.link else "")
