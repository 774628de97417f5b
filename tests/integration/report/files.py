"""The files that make of the sample data a study with arms, sites, synchronisations and hostile names."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

# names that run as a script in a page that does not escape them
NASTY = "<script>document.title='run'<", "script>", "<img src=x onerror=document.title='run'>"
SLEEP = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed\n"
ROSTER = "participant_id,enrolled_on,ends_on,withdrawn_on,arm,site\n"
# two who never sent anything, and one who is not enrolled yet
OTHERS = "P00001,2026-04-01,,,A,Vienna\nP00002,2026-04-10,,,=B+1,Linz\nP00003,2026-06-01,,,=B+1,Graz\n"
# an arm whose name a spreadsheet would run
ARMS = ("A", "=B+1")
# Graz has three participants, so a report with pseudonyms names it nowhere; two more are at no site
SMALL_SITE = "Graz"
LAST_DAY = date(2026, 4, 29)
# when the devices of some synchronised last; of all others, but these without any, it is the last day
SILENT_SINCE = {"7164643608": date(2026, 2, 24), "5401852708": date(2026, 3, 14), "6481185540": date(2026, 3, 25)}
WITHOUT_SYNC = ("8839656361", "5454061836")


def users(landing: Path) -> list[str]:
    """Return the participants of the sample data, in the order of their ids."""
    activity = (landing / "daily_activity_2026-04-01.csv").read_text().splitlines()
    return sorted({line.partition(",")[0] for line in activity[1:]})


def write_roster(landing: Path, user_ids: Sequence[str]) -> None:
    """Write the roster: the first has completed, the second has withdrawn, and the last is on none."""
    lines = []
    for number, user_id in enumerate(user_ids[:-1]):
        dates = {0: "2026-01-01,2026-04-10,", 1: "2026-01-01,,2026-03-20"}.get(number, ",,")
        site = {5: SMALL_SITE, 20: SMALL_SITE, 8: "", 10: ""}.get(number, ("Vienna", "Linz")[number % 3 == 0])
        lines.append(f"{user_id},{dates},{ARMS[number % 2]},{site}\n")
    (landing / "participants.csv").write_text(ROSTER + "".join(lines) + OTHERS)


def write_synchronisations(landing: Path, user_ids: Sequence[str]) -> None:
    """Write when the devices synchronised, every third day, and what was left of two batteries."""
    for sample in (*landing.glob("sync_events*"), *landing.glob("battery*")):
        sample.unlink()
    lines = []
    for user_id in set(user_ids) - set(WITHOUT_SYNC):
        last = SILENT_SINCE.get(user_id, LAST_DAY)
        lines += [f"{user_id},{last - timedelta(days=3 * n):%m/%d/%Y} 8:30:00 PM\n" for n in range(10)]
    (landing / "sync_events.csv").write_text("Id,DateTime\n" + "".join(sorted(lines)))
    silent, empty, *_ = SILENT_SINCE
    (landing / "battery.csv").write_text(
        "Id,DateTime,LevelPercent,BatteryLevel\n"
        f"{silent},02/24/2026 8:30:00 PM,82,High\n"
        f"{empty},03/14/2026 8:30:00 PM,5,Low\n"
    )


def write_nasty(landing: Path) -> Path:
    """Write files in a folder whose name is a script, and return the one that is refused."""
    nasty = Path(landing, *NASTY)
    nasty.mkdir(parents=True)
    (nasty / "sleep_4674767415.csv").write_text(
        SLEEP + "4674767415,4/12/2026,1,327,346\n4674767415,4/13/2026,1,many,346\n"
    )
    refused = nasty / "daily_activity.csv"
    refused.write_text("Id,<b>Nothing</b>\n1,2\n")
    return refused
