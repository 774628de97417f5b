"""`python -m ingestion` runs the command line."""

import sys

from ingestion.cli import main

if __name__ == "__main__":
    sys.exit(main())
