"""The report: one HTML file that shows who is steady and who needs a look, the quality of the data, and the run.

`publish` is a step of a run. `serving.Server` serves the reports that are kept; only its command imports it.
"""

from ingestion.report.contents import Outcome
from ingestion.report.groups import Groups
from ingestion.report.pseudonym import of as pseudonyms_of
from ingestion.report.publishing import Published, publish, publish_latest, who, write_latest

__all__ = [
    "Groups",
    "Outcome",
    "Published",
    "pseudonyms_of",
    "publish",
    "publish_latest",
    "who",
    "write_latest",
]
