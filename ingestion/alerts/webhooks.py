"""Webhooks: the same alert in the shapes that Slack, Teams and machines take."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, numbered
from ingestion.alerts.http import Http
from ingestion.config import AlertSettings

_SLACK_HEADER = 150
_SLACK_FIELDS = 10


class Webhook(Channel):
    """A URL that takes a POST of JSON: the alert as it is.

    Arguments:
        settings: timeout and so on.
        name: for the log.
        url: where to; a secret.

    """

    kind: ClassVar[str] = "webhook"

    def __init__(self, settings: AlertSettings, name: str, url: str) -> None:
        super().__init__(settings, name)
        self._url = url

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        urls = cls.urls_of(settings)
        yield from (cls(settings, name, url) for name, url in zip(numbered(cls.kind, len(urls)), urls, strict=True))

    @classmethod
    def urls_of(cls, settings: AlertSettings) -> tuple[str, ...]:
        return settings.webhook_urls

    def tell(self, alert: Alert) -> None:
        Http(self._settings).send("POST", self._url, json=self.body(alert), headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        token = self._settings.webhook_token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def body(self, alert: Alert) -> dict[str, Any]:
        return alert.json


class _ForPeople(Webhook):
    @property
    def headers(self) -> dict[str, str]:
        return {}

    @abstractmethod
    def body(self, alert: Alert) -> dict[str, Any]: ...


class Slack(_ForPeople):
    """An incoming webhook of Slack; Mattermost and Rocket.Chat take the same and show its text."""

    kind = "slack"

    @classmethod
    def urls_of(cls, settings: AlertSettings) -> tuple[str, ...]:
        return settings.slack_urls

    def body(self, alert: Alert) -> dict[str, Any]:
        """Return blocks whose texts are plain, so that nothing in them becomes a mention or a link."""
        title = f"{'✅' if alert.is_over else '🔴'} {alert.title}"
        blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title[:_SLACK_HEADER])}]
        if alert.summary:
            code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": alert.summary}]}
            blocks.append({"type": "rich_text", "elements": [code]})
        if alert.hint:
            blocks.append({"type": "section", "text": _plain(f"What to do: {alert.hint}")})
        if alert.facts:
            fields = [_plain(f"{name}: {value}") for name, value in alert.facts[:_SLACK_FIELDS]]
            blocks.append({"type": "section", "fields": fields})
        if alert.more:
            blocks.append({"type": "section", "text": _plain(f"More: {alert.more}")})
        if alert.link:
            button = {"type": "button", "text": _plain("Open"), "url": alert.link, "action_id": "open"}
            blocks.append({"type": "actions", "elements": [button]})
        # what a notification shows; here Slack reads its own marks
        text = f"{title}\n{alert.summary}"
        for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(mark, entity)
        return {"text": text, "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


class Teams(_ForPeople):
    """A workflow of Teams that posts to a channel when a webhook request is received: it takes an Adaptive Card."""

    kind = "teams"

    @classmethod
    def urls_of(cls, settings: AlertSettings) -> tuple[str, ...]:
        return settings.teams_urls

    def body(self, alert: Alert) -> dict[str, Any]:
        """Return a card of text runs, which unlike text blocks are no Markdown."""
        color = "Good" if alert.is_over else "Attention"
        runs = [_runs(alert.title, weight="Bolder", size="Medium", color=color)]
        if alert.summary:
            runs.append(_runs(alert.summary, fontType="Monospace"))
        if alert.hint:
            runs.append(_runs(f"What to do: {alert.hint}"))
        runs += [_runs(f"{name}: {value}", spacing="None") for name, value in alert.facts]
        if alert.more:
            runs.append(_runs(f"More: {alert.more}", isSubtle=True))
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": runs,
            "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": alert.link}] if alert.link else [],
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [attachment]}


def _runs(text: str, spacing: str = "Default", **style: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [{"type": "TextRun", "text": text, **style}]}
