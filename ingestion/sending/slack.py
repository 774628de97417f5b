"""The parts of a message in Slack."""

from typing import Any

MAX_HEADER = 150
MAX_SECTION = 3000
MAX_BLOCKS = 50


def plain(text: str) -> dict[str, Any]:
    """Return a text that Slack shows as it is: without markup, mentions and links.

    Arguments:
        text: any text.

    """
    return {"type": "plain_text", "text": text, "emoji": False}


def header(text: str) -> dict[str, Any]:
    """Return a heading, cut to the length that Slack allows.

    Arguments:
        text: any text.

    """
    return {"type": "header", "text": plain(text[:MAX_HEADER])}


def section(text: str) -> dict[str, Any]:
    """Return a paragraph.

    Arguments:
        text: up to `MAX_SECTION` characters.

    """
    return {"type": "section", "text": plain(text)}


def button(url: str, label: str = "Open") -> dict[str, Any]:
    """Return a button that opens a page.

    Arguments:
        url: the page.
        label: the text on the button.

    """
    element = {"type": "button", "text": plain(label), "url": url, "action_id": "open"}
    return {"type": "actions", "elements": [element]}


def message(notification: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of a request to an incoming webhook.

    Arguments:
        notification: the text of the notification: the only place where Slack interprets markup.
        blocks: the message.

    """
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        notification = notification.replace(mark, entity)
    return {"text": notification, "blocks": blocks}
