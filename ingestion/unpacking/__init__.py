"""Archives: packed files, and folders of many files. What they unpack to is limited.

Nothing is ever written under the name of a member.
"""

from ingestion.unpacking.folders import FOLDER_SUFFIXES, Folder, TarFolder, ZipFolder, open_folder
from ingestion.unpacking.limits import LIMITS, Limits
from ingestion.unpacking.packed import PACKINGS, Readable, open_only_member, open_zip, unpack

__all__ = [
    "FOLDER_SUFFIXES",
    "LIMITS",
    "PACKINGS",
    "Folder",
    "Limits",
    "Readable",
    "TarFolder",
    "ZipFolder",
    "open_folder",
    "open_only_member",
    "open_zip",
    "unpack",
]
