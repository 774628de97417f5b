"""Tell what a file is: by its columns, or by its name and its columns. What was found is remembered in the database."""

from ingestion.recognition.matching import Match, Recognition, named, recognise
from ingestion.recognition.memory import Memory

__all__ = ["Match", "Memory", "Recognition", "named", "recognise"]
