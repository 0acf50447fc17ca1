"""The units of systemd: valid, narrow, and true of the service that they run."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from ingest.cli import cli
from ingest.serve import BEYOND_GRACE_S, LAST_ANSWERS_S
from ingest.settings import ServerSettings
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "config" / "systemd"
UNITS: Final = ("ingest.service", "ingest-sync.service", "ingest-sync.timer")

#: Of 10; what is left is the network, which a service is for.
EXPOSURE_AT_MOST: Final = 1.0

with_systemd: Final = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here"
)


def setting(unit: str, name: str) -> str:
    """Return what a unit says of something it says once."""
    (value,) = re.findall(rf"^{name}=(.*)$", (FOLDER / unit).read_text(), re.MULTILINE)
    return str(value)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with an executable that is there."""
    folder = shutil.copytree(FOLDER, tmp_path / "units")
    for unit in UNITS:
        text = (folder / unit).read_text()
        (folder / unit).write_text(text.replace("/usr/local/bin/ingest", "/bin/true"))
    return folder


@with_systemd
def test_the_units_are_valid(installed: Path) -> None:
    """The tool of systemd finds nothing to say about them, with the drop-in for GitLab too."""
    verify = ["systemd-analyze", "verify", *(str(installed / unit) for unit in UNITS)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@with_systemd
@pytest.mark.parametrize("unit", ["ingest.service", "ingest-sync.service"])
def test_the_units_are_narrow(installed: Path, unit: str) -> None:
    """The score that systemd itself gives for what a unit is exposed to stays low."""
    score = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    score += [f"--threshold={EXPOSURE_AT_MOST * 10:.0f}", str(installed / unit)]
    done = subprocess.run(score, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_a_unit_may_take_as_long_to_end_as_the_service() -> None:
    """Else systemd would kill it while jobs wind down; and it sends one signal, not two."""
    longest_s = ServerSettings().shutdown_grace_s + BEYOND_GRACE_S + LAST_ANSWERS_S
    assert float(setting("ingest.service", "TimeoutStopSec")) > longest_s
    assert setting("ingest.service", "KillMode") == "mixed"


@pytest.mark.parametrize("unit", ["ingest.service", "ingest-sync.service"])
def test_the_commands_are_ours(unit: str) -> None:
    """Each unit runs a command that there is, with options that it takes."""
    _, command, *words = setting(unit, "ExecStart").split()
    options = {option for each in cli.commands[command].params for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_nightly_unit_waits_for_the_end() -> None:
    """It fails when the job does not complete."""
    assert setting("ingest-sync.service", "ExecStart").split()[1:3] == ["sync", "--wait"]
    assert setting("ingest-sync.service", "Type") == "oneshot"
