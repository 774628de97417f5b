"""A study with marts, built once, and a browser that allows no requests."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ingestion import db, report, runner
from ingestion.config import ROOT, Database, Settings
from tests import optional
from tests.conftest import clone_database, drop_database, execute
from tests.integration.report import files

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Study:
    """Two runs on the sample data, a roster and some hostile files: the first with a refused file, the second without.

    Arguments:
        database: the database, with marts.
        settings: the settings of the runs.
        failed: the report of the first run.
        report: the report of the second run.

    """

    database: Database
    settings: Settings
    failed: Path
    report: Path

    def rows(self, query: str, database: Database | None = None) -> list[tuple[Any, ...]]:
        settings = replace(self.settings, database=database or self.database)
        with db.session(db.create_engine(settings)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


@pytest.fixture(scope="session")
def study(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("study")
    landing = folder / "landing"
    shutil.copytree(ROOT / "sample_data", landing)
    user_ids = files.users(landing)
    files.write_roster(landing, user_ids)
    files.write_synchronisations(landing, user_ids)
    refused = files.write_nasty(landing)
    database = clone_database(server, f"study_{os.getpid()}", template)
    settings = Settings(
        database=database,
        data_dir=str(landing),
        use_manifest=True,
        report_dir=str(folder / "reports"),
        # another worker may build at the same time
        dbt_target_dir=folder / "target",
        dbt_log_dir=folder / "logs",
    )
    failed = runner.run(settings)
    assert failed.exit_code == 65, failed.error_summary
    refused.unlink()
    good = runner.run(settings)
    assert good.exit_code == 0, good.error_summary
    yield Study(database, settings, Path(str(failed.report)), Path(str(good.report)))
    drop_database(server, database)


@pytest.fixture
def changed(study: Study, server: Database, tmp_path: Path) -> Iterator[Callable[[str], tuple[Database, Path]]]:
    """Return a function that copies the database, changes the copy with a statement, and writes its report."""
    made: list[Database] = []

    def change(statement: str) -> tuple[Database, Path]:
        name = f"changed_{os.getpid()}_{len(made)}"
        database = clone_database(server, name, study.database)
        made.append(database)
        execute(database, statement)
        path = tmp_path / f"{name}.html"
        settings = replace(study.settings, database=database)
        report.write_latest(db.create_engine(settings), settings, path)
        return database, path

    yield change
    for database in made:
        drop_database(server, database)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("the tests of the report need Chromium: run scripts/install-test-tools.sh")
        pytest.skip(optional.BROWSER.what)
    with sync_playwright() as playwright:
        # root has no sandbox of its own
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Return a function that opens a report. At the end, check for errors and requests."""
    pages: list[tuple[Any, list[str]]] = []

    def open_(path: Path, fragment: str = "", **options: Any) -> Page:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "locale": "en-GB", **options}
        )
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.extend({request.url} - {path.as_uri() + fragment, path.as_uri()}))
        pages.append((context, wrong))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_
    for context, wrong in pages:
        context.close()
        assert not wrong
