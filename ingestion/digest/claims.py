"""Which channels have got the digest of a week: the table ops.digests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ingestion import db, follow_up
from ingestion.follow_up import FollowUp

_queries = db.queries("digest")


@dataclass(frozen=True)
class Outcome:
    """What has become of the digest of one channel.

    Arguments:
        channel: its name.
        error: why it was not sent; None if it was.
        is_over: whether that is certain.

    """

    channel: str
    error: str | None = None
    is_over: bool = True


@dataclass(frozen=True)
class Claims:
    """The digests of one week.

    Arguments:
        engine: the database.
        role: the role that writes the records of runs.
        week_of: the week.

    """

    engine: db.Engine
    role: str | None
    week_of: date

    def claim(self, channels: Iterable[str], run_id: UUID | None, *, seconds: float, force: bool) -> list[str]:
        """Claim the channels that have not got the digest and that nobody else is sending it to.

        Arguments:
            channels: the names of all channels.
            run_id: the run; None if a person sends it.
            seconds: how long an attempt may last.
            force: claim all channels.

        """
        with db.transaction(self.engine, role=self.role) as connection:
            _queries.set_limits(connection)
            run = str(run_id) if run_id else None
            return [
                name
                for name in channels
                if _queries.claim(
                    connection, week_of=self.week_of, channel=name, run_id=run, seconds=seconds, force=force
                )
            ]

    def first_sent(self) -> date | None:
        """Return the day that the first digest of the week described; None if no channel has got one."""
        with db.session(self.engine, role=self.role) as connection:
            found: date | None = _queries.first_sent(connection, week_of=self.week_of)
            return found

    def record(self, outcomes: Sequence[Outcome], told: FollowUp | None, run_id: UUID) -> None:
        """Record who has got the digest. The first of a week is what the next week is compared with.

        Arguments:
            outcomes: what has become of each claimed channel.
            told: the list that was sent.
            run_id: the run.

        """
        with db.transaction(self.engine, role=self.role) as connection:
            _queries.set_limits(connection)
            is_sent = any(outcome.error is None for outcome in outcomes)
            is_first = _queries.first_sent(connection, week_of=self.week_of) is None
            if told and is_sent and is_first:
                follow_up.record(connection, "digest", run_id, told)
            for each in outcomes:
                if each.error is None:
                    as_of_date = told.as_of_date if told else None
                    _queries.record_sent(connection, week_of=self.week_of, channel=each.channel, as_of_date=as_of_date)
                else:
                    _queries.record_failure(
                        connection,
                        week_of=self.week_of,
                        channel=each.channel,
                        error=each.error,
                        is_over=each.is_over,
                    )
