"""GitHub issue.

```
PIPELINE_ALERT_GITHUB_REPOSITORY=acme/wearables
PIPELINE_ALERT_GITHUB_TOKEN=github_pat_...
PIPELINE_ALERT_GITHUB_API_URL=https://github.example.org/api/v3     # GitHub Enterprise only
```

Use a fine-grained token with the right to read and write issues of that repository. Each topic has one open issue with
the label `pipeline-failure`. Later alerts of the topic are comments, and its end closes the issue. A mark in its text
identifies the issue, so you may edit its title. A successful run also closes an issue whose failure is not in
`ops.alerts`.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, FinishedRun
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import TEXT, URL
from ingestion.config.setting import setting
from ingestion.sending.errors import ChannelError

LABEL = "pipeline-failure"

_PAGE, _MAX_PAGES = 100, 20
_MARKER = re.compile(r"<!-- wearables-pipeline alert ([0-9a-f]+) -->")


@dataclass(frozen=True)
class GitHubSettings(ChannelSettings):
    """Settings of GitHub issues."""

    repository: str | None = setting(
        "PIPELINE_ALERT_GITHUB_REPOSITORY",
        TEXT,
        "the repository that gets issues, as owner/name",
        needs=("PIPELINE_ALERT_GITHUB_TOKEN",),
    )
    token: str | None = setting(
        "PIPELINE_ALERT_GITHUB_TOKEN", TEXT, "a token that may write its issues", is_secret=True
    )
    api_url: str = setting(
        "PIPELINE_ALERT_GITHUB_API_URL",
        URL,
        "the API of a GitHub Enterprise server",
        default="https://api.github.com",
    )


class GitHub(Channel[GitHubSettings]):
    """The issues of a repository, which show by themselves what is open."""

    title = "GitHub issue"
    kind = "github"
    settings_type = GitHubSettings

    def send(self, alert: Alert) -> None:
        issue = self._open_issues().get(alert.thread)
        if alert.is_over:
            if issue:
                self._close(issue, _body(alert))
        elif issue:
            self._request("POST", f"/issues/{issue}/comments", {"body": _body(alert)})
        else:
            self._open(alert)

    def run_ended(self, finished: FinishedRun) -> None:
        issues = self._open_issues() if finished.ended_topics else {}
        for topic in finished.ended_topics:
            thread = Alert("recovery", self.common.name, topic, "").thread
            if thread in issues:
                self._close(issues[thread], f"Run {finished.run.run_id} succeeded.")

    def send_test(self, alert: Alert) -> None:
        self._close(self._open(alert), "This was only a test.")

    def _open(self, alert: Alert) -> int:
        body = f"{_body(alert)}\n\n<!-- wearables-pipeline alert {alert.thread} -->"
        created = self._request("POST", "/issues", {"title": alert.title, "body": body, "labels": [LABEL]})
        # GitHub drops the label silently if the token may not set it, and the issue would not be found again
        if LABEL not in {label["name"] for label in created["labels"]}:
            raise ChannelError("the token may not set a label: it needs the right to write issues")
        return int(created["number"])

    def _close(self, number: int, comment: str) -> None:
        # in this order: a repetition after a failure finds no open issue and adds no second comment
        self._request("PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "completed"})
        self._request("POST", f"/issues/{number}/comments", {"body": comment})

    def _open_issues(self) -> dict[str, int]:
        """Return the numbers of the open issues by the alert's thread."""
        found: dict[str, int] = {}
        parameters = {"state": "open", "labels": LABEL, "per_page": str(_PAGE)}
        for page in range(1, _MAX_PAGES + 1):
            issues = self._request("GET", "/issues", parameters={**parameters, "page": str(page)})
            for issue in issues:
                # GitHub lists pull requests as issues too
                if "pull_request" not in issue and (marker := _MARKER.search(issue["body"] or "")):
                    found.setdefault(marker[1], int(issue["number"]))
            if len(issues) < _PAGE:
                break
        return found

    def _request(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Any:
        url = f"{self.settings.api_url.rstrip('/')}/repos/{self.settings.repository}{path}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.settings.token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        return self.http.send(method, url, json=body, params=parameters, headers=headers).json()


def _body(alert: Alert) -> str:
    # an indented block is code, so that nothing in it becomes Markdown or a mention
    text = f"{alert.title}\n\n{replace(alert, link=None).text}"
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines()) + (f"\n\n{alert.link}" if alert.link else "")
