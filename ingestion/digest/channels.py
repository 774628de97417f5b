"""The channels of a digest: e-mail, Slack and Teams, each with its own form and its own limit."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from json import dumps
from typing import Any, Protocol

from ingestion import log
from ingestion.config import AlertSettings, DigestSettings, Settings
from ingestion.digest.document import Document, Section
from ingestion.sending import slack, teams
from ingestion.sending.errors import PartlyRefusedError
from ingestion.sending.http import Http
from ingestion.sending.mail import MailServer

# a longer message is cut by mail programs on telephones
_MOST_MAILED = 150
# Teams refuses messages of more than 28 KB
_MAX_TEAMS_BYTES = 24_000
# what a slow reader of Slack still scrolls through
_MOST_IN_SLACK = 60

_STYLE = (
    "<style>:root{color-scheme:light dark}"
    "body{font:16px/1.45 -apple-system,'Segoe UI',Roboto,sans-serif;max-width:38em;margin:0 auto;padding:12px}"
    "h1{font-size:1.25em}h2{font-size:1.05em;margin:1.6em 0 .4em}ul,ol{list-style:none;margin:0;padding:0}"
    "li{padding:.45em 0;border-top:1px solid #8884;overflow-wrap:anywhere}small{display:block;opacity:.8}"
    "mark{font-size:.75em;padding:.1em .4em;border-radius:.4em}</style>"
)


@dataclass(frozen=True)
class Post:
    """A digest on its way.

    Arguments:
        document: the digest.
        report: the report as HTML, if it is to be attached.
        key: the same for each attempt to send one digest.

    """

    document: Document
    report: bytes | None = None
    key: str = ""


class Channel(Protocol):
    """Sends digests to one place."""

    @property
    def name(self) -> str:
        """The channel's name in the log and in ops.digests."""

    def send(self, post: Post) -> None:
        """Send a digest.

        Arguments:
            post: the digest.

        Raises:
            ChannelError: the other side did not accept it.

        """


@dataclass(frozen=True)
class Mail:
    """Mail to those who work with participants.

    Arguments:
        settings: the server, the sender and the recipients.
        common: the limits of requests.
        name: the channel's name.

    """

    settings: DigestSettings
    common: AlertSettings
    name: str = "email"

    def send(self, post: Post) -> None:
        """Send a digest.

        Arguments:
            post: the digest.

        Raises:
            ChannelError: the server did not accept it.

        """
        try:
            self._server.send(self.message(post))
        except PartlyRefusedError as exc:
            # another attempt would send a second digest to the others
            log.event(f"{self.name}: the digest was sent to some only: {exc}", level=log.WARNING)

    def message(self, post: Post) -> EmailMessage:
        """Return the mail: text, HTML, and the report.

        Arguments:
            post: the digest.

        """
        document = post.document.cut(_MOST_MAILED)
        message = self._server.message(document.subject, self.settings.email_to, key=post.key)
        remark = "\n\nThe report is attached." if post.report else ""
        message.set_content(f"{document.text}{remark}\n")
        message.add_alternative(html_of(document, remark.strip()), subtype="html")
        if post.report:
            message.add_attachment(post.report, maintype="text", subtype="html", filename="report.html")
        return message

    @property
    def _server(self) -> MailServer:
        settings = self.settings
        return MailServer(settings.smtp_url or "", settings.sender or settings.email_to[0], self.common)


@dataclass(frozen=True)
class Webhook:
    """A URL that accepts a POST of JSON.

    Arguments:
        name: the channel's name.
        url: where to post.
        body: returns the JSON of a digest.
        common: the limits of requests.

    """

    name: str
    url: str
    body: Callable[[Document], dict[str, Any]]
    common: AlertSettings

    def send(self, post: Post) -> None:
        """Send a digest.

        Arguments:
            post: the digest.

        Raises:
            ChannelError: the server did not accept it.

        """
        Http(self.common).send("POST", self.url, json=self.body(post.document))


def channels_of(settings: Settings) -> list[Channel]:
    """Return the configured channels.

    Arguments:
        settings: the recipients, and the limits of requests.

    """
    digest, common = settings.digest, settings.alerts
    channels: list[Channel] = [Mail(digest, common)] if digest.email_to else []
    for kind, urls, body in (("slack", digest.slack_urls, slack_body), ("teams", digest.teams_urls, teams_body)):
        for number, url in enumerate(urls, start=1):
            channels.append(Webhook(kind if number == 1 else f"{kind}_{number}", url, body, common))
    return channels


def html_of(document: Document, remark: str = "") -> str:
    """Return a digest as a page in one column, which a telephone shows as it is.

    Arguments:
        document: the digest.
        remark: a last line.

    """
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta name="viewport" content="width=device-width">{_STYLE}</head><body>',
        f"<h1>{escape(document.subject)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in document.lead),
    ]
    for section in document.sections:
        parts += [f"<h2>{escape(section.heading)}</h2>", "<ul>"]
        for item in section.items:
            title = f"<b>{escape(item.title)}</b>" if item.lines else escape(item.title)
            mark = " <mark>new</mark>" if item.is_new else ""
            lines = "".join(f"<small>{escape(line)}</small>" for line in item.lines)
            parts.append(f"<li>{title}{mark}{lines}</li>")
        parts += ["</ul>", *([f"<p>{escape(section.remark)}</p>"] if section.remark else [])]
    parts += [f"<p>{escape(line)}</p>" for line in (*document.closing, *([remark] if remark else []))]
    if document.link:
        parts.append(f'<p><a href="{escape(document.link)}">Open</a></p>')
    return "\n".join([*parts, "</body></html>\n"])


def slack_body(document: Document) -> dict[str, Any]:
    """Return a digest as a message in Slack, with as much of its lists as Slack accepts.

    Arguments:
        document: the digest.

    """

    def blocks(most: int) -> list[dict[str, Any]]:
        shown = document.cut(most)
        found = [slack.header(shown.subject), slack.section("\n".join(shown.lead))]
        for section in shown.sections:
            found += [slack.header(section.heading), *map(slack.section, _paragraphs(section))]
        found += [slack.section(line) for line in shown.closing]
        return [*found, *([slack.button(shown.link)] if shown.link else [])]

    most = _most(document, lambda most: len(blocks(most)) <= slack.MAX_BLOCKS, _MOST_IN_SLACK)
    return slack.message("\n".join([document.subject, *document.lead]), blocks(most))


def _paragraphs(section: Section) -> Iterator[str]:
    """Yield the items of a section, as many together as a paragraph of Slack may have."""
    items = [
        "\n".join([f"{item.title}{' (new)' if item.is_new else ''}", *(f"    {line}" for line in item.lines)])
        for item in section.items
    ]
    text = ""
    for item in (*items, *([section.remark] if section.remark else [])):
        piece = item[: slack.MAX_SECTION - 2]
        if text and len(text) + len(piece) + 1 > slack.MAX_SECTION:
            yield text
            text = ""
        text = f"{text}\n{piece}" if text else piece
    if text:
        yield text


def teams_body(document: Document) -> dict[str, Any]:
    """Return a digest as an Adaptive Card, with as much of its lists as Teams accepts.

    Arguments:
        document: the digest.

    """

    def body(most: int) -> dict[str, Any]:
        shown = document.cut(most)
        blocks = [teams.block(shown.subject, weight="Bolder", size="Medium")]
        blocks += [teams.block(line, spacing="None") for line in shown.lead]
        for section in shown.sections:
            blocks.append(teams.block(section.heading, spacing="Large", weight="Bolder"))
            for item in section.items:
                title = f"{item.title}{' (new)' if item.is_new else ''}"
                blocks.append(teams.block(title, spacing="Small"))
                blocks += [teams.block(line, spacing="None", isSubtle=True) for line in item.lines]
            blocks += [teams.block(section.remark)] if section.remark else []
        blocks += [teams.block(line) for line in shown.closing]
        return teams.message(blocks, shown.link)

    return body(_most(document, lambda most: len(dumps(body(most)).encode()) <= _MAX_TEAMS_BYTES))


def _most(document: Document, fits: Callable[[int], bool], limit: int | None = None) -> int:
    """Return how long the lists of a digest may be."""
    longest = min(document.longest, limit or document.longest)
    # the first length that does not fit, and one less
    return max(bisect_left(range(1, longest + 1), 1, key=lambda most: 0 if fits(most) else 1), 0)
