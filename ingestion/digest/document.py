"""The digest as headings, items and lines, which each channel turns into its own form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from ingestion.digest.contents import Contents
from ingestion.follow_up import CAUSES, CERTAINTIES, REASONS, WEARING_LESS_BY, Entry, Resolved
from ingestion.printable import printable

# in the order of the report
_STATUSES = {
    "increasing": "moving more",
    "stable": "stable",
    "declining": "moving less",
    "wearing_less": "wearing less",
    "never_started": "never started",
    "stopped": "stopped",
    "new": "too new",
    "completed": "completed",
    "withdrawn": "withdrawn",
}
_WIDTH = 120

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One participant, one figure or one problem.

    Arguments:
        title: what it is about.
        lines: the facts.
        is_new: whether it is marked as new.

    """

    title: str
    lines: tuple[str, ...] = ()
    is_new: bool = False


@dataclass(frozen=True)
class Section:
    """Items under a heading.

    Arguments:
        heading: one line.
        items: the items.
        is_list: whether these are participants, so that the rest of a long list is in the report.
        more: how many items were cut.

    """

    heading: str
    items: tuple[Item, ...]
    is_list: bool = False
    more: int = 0

    @property
    def remark(self) -> str | None:
        """What follows a list that was cut."""
        return f"and {self.more:,} more in the report" if self.more else None


@dataclass(frozen=True)
class Document:
    """A digest.

    Arguments:
        subject: one line.
        lead: what matters most.
        sections: the rest.
        closing: where to find more.
        link: a web page with more.

    """

    subject: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...] = ()
    closing: tuple[str, ...] = ()
    link: str | None = None

    @property
    def longest(self) -> int:
        """The number of items of the longest list."""
        return max((len(section.items) for section in self.sections if section.is_list), default=0)

    def cut(self, most: int) -> "Document":
        """Return the digest with shorter lists.

        Arguments:
            most: the items that a list may have.

        """
        return replace(
            self,
            sections=tuple(
                replace(section, items=section.items[:most], more=max(len(section.items) - most, 0))
                if section.is_list
                else section
                for section in self.sections
            ),
        )

    @property
    def text(self) -> str:
        """The digest without its subject, as plain lines."""
        parts = ["\n".join(self.lead)]
        for section in self.sections:
            lines = [section.heading.upper(), ""]
            for item in section.items:
                lines += [f"{item.title}{'  NEW' if item.is_new else ''}", *(f"    {line}" for line in item.lines)]
            parts.append("\n".join([*lines, *([section.remark] if section.remark else [])]))
        closing = [*self.closing, *([f"Open: {self.link}"] if self.link else [])]
        return "\n\n".join([*parts, *(["\n".join(closing)] if closing else [])])


def document_of(contents: Contents, pipeline: str, link: str | None) -> Document:
    """Return the digest.

    Arguments:
        contents: what it tells.
        pipeline: the name of the pipeline.
        link: the page that the settings name.

    """
    told = contents.told
    new = [entry for entry in told.entries if entry.is_new]
    people = _count(len(told.entries), "participant")
    since = f" since the list of {_day(told.compared_with)}" if told.compared_with else ""
    report = contents.report or ""
    is_page = report.startswith(("https://", "http://"))
    sections = [Section(f"To call: {people}", tuple(_entries(contents)), is_list=True)] if told.entries else []
    if new:
        sections.append(Section(f"New{since}: {len(new):,}", tuple(_new(contents, new)), is_list=True))
    if told.resolved:
        over = tuple(_resolved(contents, told.resolved))
        sections.append(Section(f"Off the list{since}: {len(over):,}", over, is_list=True))
    sections.append(Section("Everybody, by status", tuple(_counts(contents))))
    problems = contents.problems or ("None.",)
    sections.append(Section("Problems with the data", tuple(Item(printable(line)) for line in problems)))
    return Document(
        subject=f"{pipeline}: {people} to call" + (f", {len(new):,} new" if new else ""),
        lead=tuple(_lead(contents, people, len(new))),
        sections=tuple(sections),
        closing=(f"Report: {report}",) if "://" in report and not is_page else (),
        link=link or (report if is_page else None),
    )


def _lead(contents: Contents, people: str, new: int) -> Iterator[str]:
    told = contents.told
    changed = f": {new:,} new, {len(told.resolved):,} off the list" if told.compared_with else ""
    yield f"{people if told.entries else 'Nobody'} to call{changed}."
    yield f"The data are those up to {_day(told.as_of_date)}."
    if not told.compared_with:
        yield "This is the first digest. The next one says what has changed."


def _entries(contents: Contents) -> Iterator[Item]:
    for entry in contents.told.entries:
        # somebody who does not synchronise any more may wear the device less as well, but nobody knows
        less = entry.wearing_less_by if entry.reason == "wearing_less" else None
        by = f" ({WEARING_LESS_BY[less]})" if less else ""
        since = f" since {_day(entry.since_date)}" if entry.since_date else ""
        facts = [
            f"How sure: {CERTAINTIES[entry.certainty]}",
            f"Person or device: {CAUSES[entry.cause]}" if entry.cause else "",
            f"Last sync: {_day(entry.last_sync_date) if entry.last_sync_date else 'not known'}",
            f"Arm: {entry.arm}" if entry.arm in contents.arms else "",
            f"Site: {entry.site}" if entry.site in contents.sites else "",
        ]
        yield Item(
            _line(f"{entry.position}. {_name(contents, entry)}: {REASONS[entry.reason]}{by}{since}"),
            tuple(_line(line) for line in _joined([fact for fact in facts if fact])),
            entry.is_new,
        )


def _joined(facts: Sequence[str]) -> Iterator[str]:
    """Yield facts, as many in a line as a screen has room for."""
    line = ""
    for fact in facts:
        if line and len(line) + len(fact) > _WIDTH:
            yield line
            line = ""
        line = f"{line}. {fact}" if line else fact
    if line:
        yield line


def _new(contents: Contents, entries: Sequence[Entry]) -> Iterator[Item]:
    for entry in entries:
        yield Item(_line(f"{_name(contents, entry)}: {REASONS[entry.reason]}"))


def _resolved(contents: Contents, over: Sequence[Resolved]) -> Iterator[Item]:
    for each in over:
        now = _STATUSES.get(each.status, each.status) if each.status else "without data"
        yield Item(_line(f"{_name(contents, each)}: was {REASONS[each.reason]}, is now {now}"))


def _counts(contents: Contents) -> Iterator[Item]:
    for status, name in _STATUSES.items():
        users, before = contents.counts.get(status, (0, 0))
        if users or before:
            change = f" ({users - before:+,})" if contents.told.compared_with and users != before else ""
            yield Item(f"{name}: {users:,}{change}")


def _name(contents: Contents, each: Entry | Resolved) -> str:
    # a participant whom the key of the pseudonyms does not reach must not get their user id
    return contents.names.get(each.user_id, "(unknown)")


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _day(day: date | None) -> str:
    return f"{day.day} {day:%b %Y}" if day else ""
