"""The README and the pages of docs/ say what is so: settings, exit codes, commands, links, targets, tests."""

import argparse
import ast
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion import errors
from ingestion.cli import arguments
from ingestion.config import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "data_lake" / "README.md"]

_SETTING = re.compile(r"(?:PIPELINE|DB|DBT|DATABASE|OTEL|OPENLINEAGE)_[A-Z_]+|PG[A-Z]+|TRACE[A-Z]+")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table(text: str, first_header: str) -> list[list[str]]:
    """The cells of the table whose first column has that header."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first_header} |"):
            break
    next(lines, None)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
    assert rows, f"no table of {first_header}"
    return rows


def in_backticks(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def test_the_table_of_settings_is_what_config_reads() -> None:
    read = {
        node.value
        for path in (ROOT / "ingestion" / "config").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SETTING.fullmatch(node.value)
    }
    told = [name for row in table(section("Configuration"), "variable") for name in in_backticks(row[0])]
    assert sorted(told) == sorted(read)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    def subclasses(cls: type[errors.PipelineError]) -> Iterator[type[errors.PipelineError]]:
        yield cls
        for each in cls.__subclasses__():
            yield from subclasses(each)

    # 70 is for what nobody foresaw
    codes = {0, 70} | {cls.exit_code for cls in subclasses(errors.PipelineError)}
    codes |= {errors.Interrupted(signum).exit_code for signum in (signal.SIGINT, signal.SIGTERM)}
    assert [int(row[0]) for row in table(section("Commands"), "exit code")] == sorted(codes)


def test_the_commands_and_their_options_are_those_of_the_command_line() -> None:
    told: dict[str, set[str]] = {}
    shared: set[str] = set()
    for command, _, options in table(section("Commands"), "command"):
        words = set(re.findall(r"--[a-z-]+", options))
        shared = words if command == "`run`" else shared
        names = {name.split()[0] for name in in_backticks(command)}
        for name in names:
            told[name] = told.get(name, set()) | words | (shared if "those of `run`" in options else set())
    parser = arguments._parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    assert told == {name: options_of(command) for name, command in commands.choices.items()}


def options_of(command: argparse.ArgumentParser) -> set[str]:
    options: set[str] = set()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            options.update(*(options_of(each) for each in action.choices.values()))
        options.update(option for option in action.option_strings if option.startswith("--"))
    return options - {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    code = re.findall(r"```.*?```|`[^`\n]+`", page.read_text(encoding="utf-8"), re.DOTALL)
    named = {target for text in code for target in re.findall(r"(?:^|[`$] ?)make ([a-z-]+)", text, re.MULTILINE)}
    assert named <= targets


def test_every_test_that_holds_a_guarantee_exists() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for _, held_by in table(section("What is guaranteed, and the test that holds it"), "guarantee"):
        for name in in_backticks(held_by):
            if not name[0].isupper():
                assert (ROOT / name).exists() if "/" in name else f"def {name}(" in code, name


def test_every_path_of_the_map_exists() -> None:
    (tree,) = re.findall(r"```\n(.*?)```", section("Where things are"), re.DOTALL)
    parent = Path()
    for line in tree.splitlines():
        path = Path(line.split()[0])
        if line.startswith(" "):
            path = parent / path
        else:
            parent = path
        assert (ROOT / path).exists(), path
