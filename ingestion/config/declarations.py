"""Every setting of the pipeline, by subject."""

from dataclasses import dataclass

from ingestion.config import database, libraries, telemetry
from ingestion.config.alerts import AlertSettings, channel_settings
from ingestion.config.digest import DigestSettings
from ingestion.config.setting import Setting, settings_of
from ingestion.config.settings import Settings


@dataclass(frozen=True)
class Section:
    """Settings of one subject.

    Arguments:
        title: a heading of docs/settings.md.
        settings: in the order of their declaration.

    """

    title: str
    settings: tuple[Setting, ...]


def sections() -> list[Section]:
    """Return every declared setting by subject."""
    of_channels = [each for kind in channel_settings() for each in settings_of(kind).values()]
    return [
        Section("The database", database.SETTINGS),
        Section("The pipeline", tuple(settings_of(Settings).values())),
        Section("Alerts", tuple(settings_of(AlertSettings).values())),
        Section("The channels of alerts", tuple(of_channels)),
        Section("The weekly digest", tuple(settings_of(DigestSettings).values())),
        Section("OpenTelemetry", telemetry.TELEMETRY_SETTINGS),
        Section("OpenLineage", telemetry.LINEAGE_SETTINGS),
        Section("Object stores", libraries.STORAGE_SETTINGS),
    ]


def declared() -> list[Setting]:
    """Return every declared setting."""
    return [each for section in sections() for each in section.settings]
