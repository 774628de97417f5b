"""The README and docs/ agree with the code: settings, exit codes, commands, messages, links, make targets, tests."""

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

DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), ROOT / "data_lake" / "README.md"]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_MOST_LINES_OF_README = 150
_FEWEST_LETTERS = 6


def rows(page: str, first_header: str) -> list[list[str]]:
    """Return the rows of every table of a page whose first column has this header, as cells."""
    tables = re.findall(
        rf"^\| {first_header} \|.*\n\|[-|]+\n((?:\|.*\n)+)", (DOCS / page).read_text("utf-8"), re.MULTILINE
    )
    assert tables, f"{page} has no table of {first_header}"
    lines = [line for text in tables for line in text.splitlines()]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def in_backticks(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def test_the_exit_codes_are_those_of_the_errors() -> None:
    def subclasses(cls: type[errors.PipelineError]) -> Iterator[type[errors.PipelineError]]:
        yield cls
        for each in cls.__subclasses__():
            yield from subclasses(each)

    # 70 is for every other exception
    codes = {0, 70} | {cls.exit_code for cls in subclasses(errors.PipelineError)}
    codes |= {errors.Interrupted(signum).exit_code for signum in (signal.SIGINT, signal.SIGTERM)}
    assert [int(row[0]) for row in rows("commands.md", "exit code")] == sorted(codes)


def test_the_messages_are_those_of_the_code() -> None:
    """A message is a text in the code. A file's line and column may precede it, and `...` stands for any words."""
    written = [pattern for path in (ROOT / "ingestion").rglob("*.py") for pattern in texts(path)]
    quoted = [name for row in rows("errors.md", "(?:the row has|the file|problem)") for name in in_backticks(row[1])]
    unknown = []
    for message in quoted:
        words = re.sub(r"^(line \d+(, column \w+)?|column \w+): ", "", message)
        if not any(pattern.fullmatch(words) for pattern in written):
            unknown.append(message)
    assert not unknown


def texts(path: Path) -> Iterator[re.Pattern[str]]:
    """Yield a pattern for each text in a module, except those that are mostly placeholders."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts: list[ast.AST] = [*node.values] if isinstance(node, ast.JoinedStr) else [node]
        fixed = [part.value if isinstance(part, ast.Constant) else None for part in parts]
        words = "".join(part for part in fixed if isinstance(part, str))
        if len(re.findall("[a-z]", words)) >= _FEWEST_LETTERS:
            yield re.compile("".join(re.escape(part) if isinstance(part, str) else ".*" for part in fixed))


def test_the_commands_and_their_options_are_those_of_the_command_line() -> None:
    documented: dict[str, set[str]] = {}
    for command, _, options in rows("commands.md", "command"):
        names = {name.split()[0] for name in in_backticks(command)}
        inherited = documented["run"] if "those of `run`" in options else set()
        for name in names:
            documented[name] = documented.get(name, set()) | inherited | set(re.findall(r"--[a-z-]+", options))
    parser = arguments._parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    assert documented == {name: options_of(command) for name, command in commands.choices.items()}


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
    for _, tests in rows("guarantees.md", "guarantee"):
        for name in in_backticks(tests):
            if not name[0].isupper():
                assert (ROOT / name).exists() if "/" in name else f"def {name}(" in code, name


def test_every_path_of_the_map_exists() -> None:
    for path, _ in rows("architecture.md", "path"):
        (name,) = in_backticks(path)
        assert (ROOT / name).exists(), name


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= _MOST_LINES_OF_README


def test_the_index_links_every_page() -> None:
    linked = set(_LINK.findall((DOCS / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= linked
