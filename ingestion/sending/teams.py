"""The parts of a message in Microsoft Teams: an Adaptive Card."""

from typing import Any


def block(text: str, spacing: str = "Default", **style: Any) -> dict[str, Any]:
    """Return a paragraph that Teams shows as it is.

    Arguments:
        text: any text.
        spacing: the distance to the paragraph before.
        style: other properties of a TextRun.

    """
    # a TextBlock would interpret Markdown
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [{"type": "TextRun", "text": text, **style}]}


def message(blocks: list[dict[str, Any]], link: str | None = None, label: str = "Open") -> dict[str, Any]:
    """Return the body of a request to a workflow that posts Adaptive Cards.

    Arguments:
        blocks: the paragraphs.
        link: a page that a button opens.
        label: the text on the button.

    """
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": blocks,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": link}] if link else [],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}
