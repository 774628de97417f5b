"""The declarations of settings, and the files that follow from them."""

import ast
import re
from pathlib import Path

import pytest

from ingestion.config import ROOT, Settings
from ingestion.config.declarations import declared
from ingestion.config.setting import Setting, read_into, secrets_in
from scripts.settings import blocks, written

_NAME = re.compile(
    r"(?:PIPELINE|DB|DBT|DATABASE|OTEL|OPENLINEAGE|AWS|AZURE|GOOGLE)_[A-Z_]*[A-Z]_*|PG[A-Z]+|TRACE[A-Z]+"
)
SECRETS = [each for each in declared() if each.is_secret]


@pytest.mark.parametrize(("path", "block"), blocks().items(), ids=lambda value: getattr(value, "name", ""))
def test_the_files_follow_from_the_declarations(path: Path, block: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("settings: begin") == text.count("settings: end") == 1
    assert text == written(text, block), "run: python -m scripts.settings"


def test_each_variable_is_declared_once() -> None:
    names = [each.name for each in declared()]
    assert len(names) == len(set(names))
    assert all(each.meaning for each in declared())


def test_config_and_channels_name_no_variable_that_is_not_declared() -> None:
    folders = [ROOT / "ingestion" / "config", ROOT / "ingestion" / "alerts"]
    named = {
        node.value
        for folder in folders
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value)
    }
    # the common beginning of the variables of alerts
    assert named - {"PIPELINE_ALERT_"} == {each.name for each in declared()}


def test_a_variable_that_another_one_needs_is_declared() -> None:
    names = {each.name for each in declared()}
    assert {name for each in declared() for name in each.needs} <= names


@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.name)
def test_a_secret_is_hidden_and_may_come_from_a_file(setting: Setting) -> None:
    values = {"HEADERS": "x=planted-secret", "SMTP_URL": "smtps://me:planted-secret@mail.example"}
    value = next((value for part, value in values.items() if part in setting.name), "https://x.example/planted-secret")
    secrets = setting.secrets_in(setting.read({setting.name: value} | dict.fromkeys(setting.needs, "x")))
    assert any("planted-secret" in text for text in secrets)
    entrypoint = (ROOT / "docker" / "entrypoint.sh").read_text(encoding="utf-8")
    assert re.search(rf"^  {setting.name}$", entrypoint, re.MULTILINE)


def test_the_secrets_of_all_settings_are_hidden() -> None:
    environ = {
        "PGHOST": "db.example",
        "PGPASSWORD": "planted-1",
        "PIPELINE_ERASURE_KEY": "planted-2",
        "PIPELINE_ALERT_WEBHOOK_URL": "https://hook.example/planted-3",
        "PIPELINE_ALERT_WEBHOOK_TOKEN": "planted-4",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.example",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=planted-5",
        "OPENLINEAGE_API_KEY": "planted-6",
        "OPENLINEAGE_URL": "http://lineage.example",
    }
    settings = Settings.from_environment(environ)
    assert "planted" not in repr(settings)
    hidden = " ".join(settings.secrets)
    assert [number for number in range(1, 7) if f"planted-{number}" not in hidden] == []


def test_the_default_of_every_field_is_that_of_its_variable() -> None:
    assert read_into(Settings, {}) == Settings()
    assert list(secrets_in(Settings())) == []
