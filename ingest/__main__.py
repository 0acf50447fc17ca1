"""Run the command line as ``python -m ingest``."""

from ingest.cli import main

main()
