"""Sending messages to other services: the background, HTTP, a mail server, and the forms of Slack and Teams."""
