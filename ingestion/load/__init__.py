"""Load one file into one raw table."""

from ingestion.load.file import Drop, Loaded, Replayed, load, read_dialect, replay, write_dialect

__all__ = ["Drop", "Loaded", "Replayed", "load", "read_dialect", "replay", "write_dialect"]
