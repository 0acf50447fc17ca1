"""The container file: what the image is to be, as far as it can be told without an engine."""

import signal
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from ingest.cli import cli
from ingest.settings import load
from tests.image.containerfile import Stage, stages
from tests.support.processes import ROOT

CONTAINERFILE: Final = ROOT / "config" / "container" / "Containerfile"


@pytest.fixture
def build() -> Stage:
    """Where the executable is built."""
    return stages(CONTAINERFILE)[0]


@pytest.fixture
def image() -> Stage:
    """What is left of it."""
    return stages(CONTAINERFILE)[-1]


def test_the_image_is_not_what_it_was_built_in(build: Stage, image: Stage) -> None:
    """Two stages of one system; only files go from one to the other, and no command runs."""
    assert build.base.startswith("docker.io/library/python:")
    assert build.base.endswith("-slim-bookworm")
    assert image.base == "docker.io/library/debian:bookworm-slim"
    copies = [one for one in image.instructions if one.word == "COPY"]
    assert {one.options for one in copies} == {("--from=build",)}
    assert "RUN" not in {one.word for one in image.instructions}


def test_it_is_not_root_and_stops_by_sigterm(image: Stage) -> None:
    """By number, which alone tells Kubernetes that it is not root."""
    user, _, group = image.only("USER").rest.partition(":")
    assert int(user) > 0 < int(group)
    assert image.only("STOPSIGNAL").rest == signal.SIGTERM.name


def test_it_runs_a_command_of_ours(image: Stage) -> None:
    """The entry point is the executable, and what it is told is a command."""
    (executable,) = image.only("ENTRYPOINT").exec_form
    targets = [one.rest.split()[-1] for one in image.instructions if one.word == "COPY"]
    assert executable in targets
    assert image.only("CMD").exec_form[0] in cli.commands


def test_its_environment_is_a_configuration(image: Stage, tmp_path: Path) -> None:
    """Its variables are settings; it listens where it says, and its database is on the volume."""
    environ = image.environ()
    assert str(Path(environ["INGEST_DATABASE_URL"]).parent) in image.only("VOLUME").exec_form
    configured = load(None, {"database.url": str(tmp_path / "ingest.db")}, environ).settings
    assert configured.server.host == "0.0.0.0"  # noqa: S104 - within a container
    assert configured.auth.require == "always"
    assert str(configured.server.port) == image.only("EXPOSE").rest


def test_what_is_built_of_is_sent_and_nothing_else(build: Stage) -> None:
    """Every file that is copied is let through by the list of what is left out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    let_through = [line[1:] for line in lines if line.startswith("!")]
    for one in build.instructions:
        if one.word == "COPY":
            for source in one.rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert any(fnmatch(f"{source}/", f"{name}/*") for name in let_through)
