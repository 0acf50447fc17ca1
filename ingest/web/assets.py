"""The files that pages need: style sheets, scripts, icons. All of them are in ``static/``."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

#: Where assets are served.
PREFIX: Final = "/static/"

#: The query parameter that makes an asset's address another one when its content is.
VERSION: Final = "v"

_TYPES: Final = MappingProxyType(
    {
        ".css": "text/css",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
        ".txt": "text/plain",
    }
)


@frozen(kw_only=True)
class Content:
    """Bytes to be served, and the digest that tells other ones from them."""

    body: bytes = field(repr=False)
    media_type: str
    digest: str = field(init=False)

    @digest.default
    def _digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:20]


@cache
def assets() -> MappingProxyType[str, Content]:
    """Return every asset by its name.

    A name is looked up here and nowhere else, so that none leads out of the folder.
    """
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        media_type = _TYPES[PurePath(file.name).suffix]
        found[file.name] = Content(body=file.read_bytes(), media_type=media_type)
    return MappingProxyType(found)


def asset_url(name: str) -> str:
    """Return an asset's address, which is another one for another content."""
    return f"{PREFIX}{name}?{VERSION}={assets()[name].digest}"
