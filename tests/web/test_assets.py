"""The files that pages load."""

import tomllib
from pathlib import Path

from ingest.web.assets import assets


def test_every_asset_is_in_the_package() -> None:
    """The patterns of package data take in whatever lies in the folder of assets."""
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert "web/static/*" in project["tool"]["setuptools"]["package-data"]["ingest"]
    assert assets().keys() == {one.name for one in Path("ingest/web/static").iterdir()}
