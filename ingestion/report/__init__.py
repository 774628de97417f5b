"""The report: one HTML file that shows who is steady and who needs a look, the quality of the data, and the run.

`publish` is a step of a run. `Server` serves the reports that are kept.
"""

from ingestion.report.contents import Outcome
from ingestion.report.groups import Groups
from ingestion.report.pseudonym import of as pseudonyms_of
from ingestion.report.publishing import Published, publish, publish_latest, who, write_latest
from ingestion.report.serving import Server

__all__ = [
    "Groups",
    "Outcome",
    "Published",
    "Server",
    "pseudonyms_of",
    "publish",
    "publish_latest",
    "who",
    "write_latest",
]
