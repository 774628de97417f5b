"""Load files into raw tables, and check rejected rows again."""

from ingestion.load.bundle import Bundled, Left, Ready, copy_together, examine
from ingestion.load.file import load
from ingestion.load.replay import Replayed, replay
from ingestion.load.work import FileToLoad, Loaded

__all__ = ["Bundled", "FileToLoad", "Left", "Loaded", "Ready", "Replayed", "copy_together", "examine", "load", "replay"]
