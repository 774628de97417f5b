"""Load one file into one raw table, and check its rejected rows again."""

from ingestion.load.file import FileToLoad, Loaded, load
from ingestion.load.replay import Replayed, replay

__all__ = ["FileToLoad", "Loaded", "Replayed", "load", "replay"]
