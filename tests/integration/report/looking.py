"""What a page shows, as text, and how it shows figures to a reader in the United Kingdom."""

from datetime import date

from playwright.sync_api import Page

DASH = "\N{EN DASH}"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
LATEST = "(select max(as_of_date) from marts.fct_user_status)"


def number(value: float | None) -> str:
    return DASH if value is None else f"{int(value + 0.5):,}"


def share_of(percentage: float) -> str:
    return "< 1%" if 0 < percentage < 1 else f"{int(percentage + 0.5)}%"


def day(value: date | None) -> str:
    """Return a date of the year before the as-of date."""
    return DASH if value is None else f"{value.day} {value:%b}"


def cells(page: Page, table: str) -> list[list[str]]:
    """Return the rows of the table with a caption; open the folded tables if needed."""
    rows: list[list[str]] = page.evaluate(
        """async (caption) => {
            const find = () => [...document.querySelectorAll("table")].find((t) => t.caption?.textContent === caption);
            if (!find()) document.querySelectorAll("details.as-table").forEach((details) => details.open = true);
            while (!find()) await new Promise((done) => setTimeout(done, 20));
            return [...find().tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
        }""",
        table,
    )
    return rows


def participants_shown(page: Page) -> list[str]:
    return page.locator("a.row .row-name").all_inner_texts()
