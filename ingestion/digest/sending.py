"""Send the digest of a week to each channel that has not got it, and record who has."""

import hashlib
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from ingestion import db, log, report
from ingestion.config import Settings
from ingestion.digest.channels import Post, channels_of
from ingestion.digest.claims import Claims, Outcome
from ingestion.digest.contents import Contents, read
from ingestion.digest.document import Document, document_of
from ingestion.digest.weeks import week_of
from ingestion.errors import PipelineError
from ingestion.leftovers import temporary_folder
from ingestion.sending.outbox import Delivery, Outbox

_FOLDER = ".wearables-digest-"
# mail servers accept 25 MB, and an attachment grows by a third on its way
_MAX_ATTACHED = 15_000_000
# besides the time that sending may take: reading the figures, and writing the report
_SECONDS_TO_PREPARE = 600.0


def send(
    settings: Settings, week: date, run_id: UUID | None, now: datetime, *, force: bool = False
) -> list[tuple[str, str | None]]:
    """Send the digest of a week to each channel that has not got it.

    Arguments:
        settings: the settings, with a database and recipients.
        week: the week.
        run_id: the run that has built the marts; None if a person sends it.
        now: the current time.
        force: send it even to channels that have got it.

    Returns:
        The name of each channel that was tried, and why it failed or None.

    Raises:
        PipelineError: the marts have no follow-up list, or the database is unavailable.

    """
    engine, channels = db.create_engine(settings), channels_of(settings)
    claims = Claims(engine, settings.loader_role, week)
    seconds = settings.alerts.total_seconds + _SECONDS_TO_PREPARE
    claimed = claims.claim([channel.name for channel in channels], run_id, seconds=seconds, force=force)
    if not claimed:
        return []
    deliveries: list[Delivery] = []
    contents: Contents | None = None
    reason = "interrupted before it was sent"
    try:
        contents = read(engine, settings, now, before=claims.first_sent())
        post = _post(engine, settings, contents, week)
        outbox = Outbox(settings.alerts)
        deliveries += [
            outbox.add(channel, "the digest", partial(channel.send, post))
            for channel in channels
            if channel.name in claimed
        ]
        outbox.wait(settings.alerts.total_seconds)
    except PipelineError as exc:
        reason = log.redact(str(exc))
        raise
    except Exception as exc:
        reason = f"{type(exc).__name__} (a bug: please report it)"
        raise
    finally:
        outcomes = _outcomes(claimed, deliveries, reason)
        last_run = UUID(contents.last_run) if contents and contents.last_run else uuid4()
        claims.record(outcomes, contents.told if contents else None, run_id or last_run)
    return [(outcome.channel, outcome.error) for outcome in outcomes]


def _outcomes(claimed: list[str], deliveries: list[Delivery], reason: str) -> list[Outcome]:
    by_name = {delivery.channel.name: delivery for delivery in deliveries}
    found = []
    for name in claimed:
        delivery = by_name.get(name)
        if delivery is None:
            found.append(Outcome(name, reason))
        elif delivery.is_late or not delivery.is_done:
            found.append(Outcome(name, delivery.error or "interrupted while it was sent", is_over=False))
        else:
            found.append(Outcome(name, delivery.error))
    return found


def preview(settings: Settings, now: datetime) -> str:
    """Return the digest as text, with its subject.

    Arguments:
        settings: the settings, with a database.
        now: the current time.

    Raises:
        PipelineError: the marts have no follow-up list.

    """
    engine = db.ready_engine(settings)
    week = week_of(settings.digest.weekday, now.date())
    before = Claims(engine, settings.loader_role, week).first_sent()
    document = _document(settings, read(engine, settings, now, before=before))
    return f"Subject: {document.subject}\n\n{document.text}\n"


def send_test(settings: Settings) -> list[tuple[str, str | None]]:
    """Send a test by each channel.

    Arguments:
        settings: the channels.

    Returns:
        The name of each channel, and why it failed or None.

    """
    on_day = f" on {settings.digest.weekday.capitalize()}" if settings.digest.weekday else ""
    document = Document(
        f"{settings.alerts.name}: test of the digest",
        (
            "This is `python -m ingestion digest --test`.",
            f"The weekly digest will come here{on_day}.",
        ),
        link=settings.alerts.link,
    )
    outbox, post = Outbox(settings.alerts), Post(document, key=str(uuid4()))
    for channel in channels_of(settings):
        outbox.add(channel, "a test", partial(channel.send, post))
    deliveries = outbox.wait(settings.alerts.total_seconds)
    return [(delivery.channel.name, delivery.error) for delivery in deliveries]


def _document(settings: Settings, contents: Contents) -> Document:
    return document_of(contents, settings.alerts.name, settings.alerts.link)


def _post(engine: db.Engine, settings: Settings, contents: Contents, week: date) -> Post:
    document, attached = _document(settings, contents), None
    if settings.digest.attach_report and settings.digest.email_to:
        attached = _report(engine, settings)
        if attached is None:
            document = replace(document, closing=(*document.closing, "The report could not be attached."))
    names = "\0".join((settings.alerts.name, str(week), *settings.digest.email_to))
    return Post(document, attached, hashlib.sha256(names.encode()).hexdigest()[:32])


def _report(engine: db.Engine, settings: Settings) -> bytes | None:
    """Return the report, written anew: the last one may show user ids that the settings hide."""
    try:
        with temporary_folder(_FOLDER) as folder:
            path = Path(folder, "report.html")
            report.write_latest(engine, settings, path)
            size = path.stat().st_size
            if size <= _MAX_ATTACHED:
                return path.read_bytes()
            log.event(f"the report is too large for an e-mail: {size:,} bytes", level=log.WARNING)
    except PipelineError as exc:
        log.event(f"could not write the report for the digest: {exc}", level=log.WARNING)
    return None
