"""Send one mail about a failed scheduled run: what scheduled.yml does where ALERT_EMAIL_TO is set.

From the environment: SMTP_URL (smtps://user:password@host:465, or smtp://… for STARTTLS where the server offers it),
ALERT_EMAIL_TO, ALERT_EMAIL_FROM, RUN_ID, EXIT_CODE, ERROR_SUMMARY, RUN_URL. Standard library only.
"""

import os
import smtplib
import ssl
import sys
from collections.abc import Mapping
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

TIMEOUT_SECONDS = 30


def compose(environment: Mapping[str, str]) -> EmailMessage:
    """Return the mail; a value's line breaks become spaces, so that none can add a header."""
    run_id = " ".join(environment.get("RUN_ID", "").split()) or "unknown"
    message = EmailMessage()
    message["Subject"] = f"Wearables pipeline: run {run_id} failed"
    message["From"] = environment["ALERT_EMAIL_FROM"]
    message["To"] = environment["ALERT_EMAIL_TO"]
    message.set_content(
        f"Run {run_id} ended with exit code {environment.get('EXIT_CODE') or 'unknown'}.\n\n"
        f"{environment.get('ERROR_SUMMARY') or 'The run left no error summary.'}\n\n"
        f"Log and dbt artifacts: {environment.get('RUN_URL', '')}\n",
    )
    return message


def connect(address: SplitResult) -> smtplib.SMTP:
    """Return a connection to the mail server, encrypted where its address or the server says so."""
    context = ssl.create_default_context()
    host = address.hostname or ""
    if address.scheme == "smtps":
        return smtplib.SMTP_SSL(host, address.port or 465, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, address.port or 587, timeout=TIMEOUT_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
    elif address.password:
        raise ConnectionError(f"{host} offers no encryption: the password is not sent")
    return server


def main() -> int:
    """Send the mail; 78 where a setting is missing, 69 where the server does not take it."""
    address = urlsplit(os.environ.get("SMTP_URL", ""))
    if address.scheme not in {"smtp", "smtps"} or not address.hostname:
        print("send_failure_mail: SMTP_URL is not of the form smtps://user:password@host:465", file=sys.stderr)
        return 78
    try:
        with connect(address) as server:
            if address.username and address.password:
                server.login(unquote(address.username), unquote(address.password))
            server.send_message(compose(os.environ))
    except (OSError, smtplib.SMTPException) as error:
        print(f"send_failure_mail: {address.hostname}: {type(error).__name__}: {error}", file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
