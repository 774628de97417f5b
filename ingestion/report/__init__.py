"""The page that a person opens after a run: who keeps up and who is letting go, the data's quality, the run itself.

One HTML file that needs nothing else. `publish` is the step of a run; `Server` shows the reports there are.
"""

from ingestion.report.contents import Outcome
from ingestion.report.publishing import Published, publish, publish_latest, who, write_latest
from ingestion.report.serving import Server

__all__ = ["Outcome", "Published", "Server", "publish", "publish_latest", "who", "write_latest"]
