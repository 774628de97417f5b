"""E-mail.

```
PIPELINE_ALERT_SMTP_URL=smtps://user:password@mail.example.org:465
PIPELINE_ALERT_EMAIL_TO=ops@example.org, study@example.org
PIPELINE_ALERT_EMAIL_FROM=pipeline@example.org
```

`smtps://` uses TLS from the first byte. `smtp://` (port 587) uses STARTTLS; if the server does not offer it, nothing is
sent. Percent-encode special characters of the password. For a relay of your own without encryption and password, write
`smtp://relay.internal:25?tls=none`. All mails of one topic form one conversation.
"""

import hashlib
from dataclasses import dataclass
from email.message import EmailMessage

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel
from ingestion.config import mail
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import TEXTS
from ingestion.config.setting import field_of, setting
from ingestion.sending.mail import MailServer


@dataclass(frozen=True)
class MailSettings(ChannelSettings):
    """Settings of e-mail."""

    smtp_url: str | None = field_of(mail.SMTP_URL)
    to: tuple[str, ...] = setting(
        "PIPELINE_ALERT_EMAIL_TO",
        TEXTS,
        "the recipients, with commas between",
        default=(),
        needs=("PIPELINE_ALERT_SMTP_URL",),
    )
    sender: str | None = field_of(mail.SENDER)

    @property
    def is_configured(self) -> bool:
        """Whether anybody gets alerts: the server may be there for digests only."""
        return bool(self.to)


class Mail(Channel[MailSettings]):
    """Mail to one or more people."""

    title = "E-mail"
    kind = "email"
    settings_type = MailSettings

    def send(self, alert: Alert) -> None:
        self._server.send(self.message(alert))

    def message(self, alert: Alert) -> EmailMessage:
        message = self._server.message(alert.title, self.settings.to)
        since = alert.since.isoformat() if alert.since else ""
        thread = hashlib.sha256(f"{alert.thread}{since}".encode()).hexdigest()[:24]
        message["References"] = f"<{thread}@{self._server.domain}>"
        message.set_content(alert.text + "\n")
        return message

    @property
    def _server(self) -> MailServer:
        return MailServer(self.settings.smtp_url or "", self.settings.sender or self.settings.to[0], self.common)
