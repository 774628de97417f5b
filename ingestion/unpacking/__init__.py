"""Archives: packed files, and folders of many files. What they unpack to is limited.

Nothing is ever written under the name of a member.
"""

from ingestion.unpacking.folders import Folder
from ingestion.unpacking.limits import LIMITS, Limits
from ingestion.unpacking.opening import FOLDER_SUFFIXES, open_folder
from ingestion.unpacking.packed import PACKINGS, Readable, open_only_member, open_zip, unpack
from ingestion.unpacking.workbook import sheet_of

__all__ = [
    "FOLDER_SUFFIXES",
    "LIMITS",
    "PACKINGS",
    "Folder",
    "Limits",
    "Readable",
    "open_folder",
    "open_only_member",
    "open_zip",
    "sheet_of",
    "unpack",
]
