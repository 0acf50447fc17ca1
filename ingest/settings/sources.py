"""Where values come from: a TOML file, the environment, flags. Unknown keys end here."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import fields, frozen

from ingest.errors import ConfigurationError
from ingest.settings.tree import Settings, walk
from ingest.settings.wording import printable, reason, shown, suggestion

#: The settings that have a flag: `load` takes overrides for these.
FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "server.host": "--host",
        "server.port": "--port",
        "database.url": "--database",
        "database.wait_for_lock_s": "--wait-for-database",
        "bank.url": "--bank",
        "bank.max_items_per_second": "--max-items-per-second",
    }
)

#: Variables that the service or its commands know, and that are no settings.
OTHER_VARIABLES = frozenset(
    [
        "INGEST_BANK_TOKEN",
        "INGEST_BANK_TOKEN_FILE",
        "INGEST_CONFIG",
        "INGEST_PYTHON",
        "INGEST_TOKEN",
        "INGEST_TOKEN_FILE",
        "INGEST_URL",
        "INGEST_WEBHOOK_TOKEN",
        "INGEST_WEBHOOK_TOKEN_FILE",
    ]
)

_SECRET_NAME = re.compile(r"tok|secret|pass|pwd|key|cred|auth", re.IGNORECASE)

#: Every setting's field by its dotted key.
FIELDS = {key: setting for key, setting, _ in walk(Settings())}
_VARIABLES = {f"INGEST_{key.replace('.', '_').upper()}": key for key in FIELDS}


@frozen(kw_only=True)
class Given:
    """A value that a setting was given, before it is checked."""

    key: str
    value: object
    origin: str
    #: Whether the value is still to be read from its text, as it never is in TOML.
    is_text: bool


def in_file(config_file: Path | None, environ: Mapping[str, str]) -> Iterator[Given]:
    """Yield what the file says that --config names or, without it, INGEST_CONFIG; or nothing.

    Raises:
        ConfigurationError: The file cannot be read, or holds a key that is no setting.
    """
    named_by = "--config"
    if config_file is None:
        named_by = "environment variable INGEST_CONFIG"
        if "INGEST_CONFIG" not in environ:
            return
        if not environ["INGEST_CONFIG"]:
            raise ConfigurationError(f"{named_by} is empty: name a file or unset it")
        config_file = Path(environ["INGEST_CONFIG"])
    origin = f"file {printable(str(config_file))}"
    sections = [section.name for section in fields(Settings)]
    for section, content in _read_toml(config_file, named_by).items():
        if section not in sections:
            raise _unknown_in_file(section, content, origin, [*sections, *FIELDS])
        if not isinstance(content, dict):
            raise ConfigurationError(
                f"{section} = {shown(content)} ({origin}): must be a section, [{section}]"
            )
        for name, value in content.items():
            key = f"{section}.{name}"
            if key not in FIELDS:
                raise _unknown_in_file(key, value, origin, FIELDS)
            yield Given(key=key, value=value, origin=origin, is_text=False)


def _read_toml(file: Path, named_by: str) -> dict[str, Any]:
    name = f"configuration file {printable(str(file))} (named by {named_by})"
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(f"{name} is not there: create it or name another") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{name} cannot be read: {reason(error)}") from None
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name} is not UTF-8 (at line {line}): save it so") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name} is not TOML: {reason(error)}") from None


def in_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    """Yield what the environment says.

    Raises:
        ConfigurationError: A variable is named as one of the service's, and is none.
    """
    for variable, value in environ.items():
        if key := _VARIABLES.get(variable):
            origin = f"environment variable {variable}"
            yield Given(key=key, value=value, origin=origin, is_text=True)
        elif variable.startswith("INGEST_") and variable not in OTHER_VARIABLES:
            # Without its value: a mistyped INGEST_TOKEN holds a token.
            raise ConfigurationError(
                f"unknown environment variable {printable(variable)}: "
                f"{suggestion(variable, [*_VARIABLES, *OTHER_VARIABLES])}"
            )


def in_flags(overrides: Mapping[str, object]) -> Iterator[Given]:
    """Yield what the flags say, leaving out those that were not given (None)."""
    for key, value in overrides.items():
        if value is not None:
            is_text = isinstance(value, str)
            yield Given(key=key, value=value, origin=f"flag {FLAGS[key]}", is_text=is_text)


def _unknown_in_file(
    key: str, value: object, origin: str, known: Iterable[str]
) -> ConfigurationError:
    # Secrets do not belong in the file, but one that is there by mistake must not be logged.
    is_hidden = isinstance(value, dict) or _SECRET_NAME.search(key)
    what = printable(key) if is_hidden else f"{printable(key)} = {shown(value)}"
    return ConfigurationError(f"unknown key {what} ({origin}): {suggestion(key, known)}")
