"""How libgit2 is loaded."""

import os
import subprocess
import sys

from tests.support.processes import ROOT


def test_a_machine_without_certificates_can_read_a_bank() -> None:
    """Small containers have none: libgit2 is loaded all the same."""
    nowhere = {"SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/nonexistent"}
    subprocess.run(
        [sys.executable, "-c", "import ingest.bank.folder"],
        env={**os.environ, **nowhere, "PYTHONPATH": str(ROOT)},
        check=True,
    )
