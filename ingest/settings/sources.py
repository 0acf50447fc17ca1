"""Where values come from: a TOML file, the environment, flags. Unknown keys end here."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import fields, frozen

from ingest.errors import ConfigurationError
from ingest.model.secret import Secret
from ingest.settings.tree import Secrets, Settings, walk
from ingest.settings.wording import printable, reason, shown, suggestion

#: The settings that have a flag: `load` takes overrides for these.
FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "server.host": "--host",
        "server.port": "--port",
        "database.url": "--database",
        "database.wait_for_lock_s": "--wait-for-database",
        "database.retain_executions": "--retain-executions",
        "bank.url": "--bank",
        "bank.max_items_per_second": "--max-items-per-second",
    }
)

#: The secrets' names, by the variables that hold them. With _FILE behind it, the variable names
#: a file that does.
SECRETS: Mapping[str, str] = MappingProxyType(
    {f"INGEST_{secret.name.upper()}": secret.name for secret in fields(Secrets)}
)

#: Variables that the service or its commands know, and that are no settings.
OTHER_VARIABLES = frozenset(
    [
        *SECRETS,
        *(f"{variable}_FILE" for variable in SECRETS),
        "INGEST_CONFIG",
        "INGEST_PYTHON",
        "INGEST_TOKEN",
        "INGEST_TOKEN_FILE",
        "INGEST_URL",
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
    sections = [section.name for section in fields(Settings) if section.name != "secrets"]
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


def secrets_in(environ: Mapping[str, str]) -> Iterator[tuple[str, Secret, str]]:
    """Yield the name, the text and the origin of each secret that is given.

    Raises:
        ConfigurationError: A secret is given twice, is no line of ASCII text, or its file cannot
            be read. The message does not hold it.
    """
    for variable, name in SECRETS.items():
        file_variable = f"{variable}_FILE"
        if variable in environ and file_variable in environ:
            raise ConfigurationError(f"{variable} and {file_variable} are both given: unset one")
        if variable in environ:
            text, origin = environ[variable], f"environment variable {variable}"
        elif file_variable in environ:
            file = Path(environ[file_variable])
            origin = f"file {printable(str(file))} (named by {file_variable})"
            try:
                text = file.read_text()
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"{origin} cannot be read: {reason(error)}: name one that holds the secret"
                ) from None
        else:
            continue
        text = text.strip()
        if not text or not text.isascii() or not text.isprintable():
            raise ConfigurationError(f"{origin} holds no secret: one line of ASCII characters")
        yield name, Secret(text), origin


def in_flags(overrides: Mapping[str, object]) -> Iterator[Given]:
    """Yield what the flags say, leaving out those that were not given (None)."""
    for key, value in overrides.items():
        if value is not None:
            is_text = isinstance(value, str)
            yield Given(key=key, value=value, origin=f"flag {FLAGS[key]}", is_text=is_text)


def _unknown_in_file(
    key: str, value: object, origin: str, known: Iterable[str]
) -> ConfigurationError:
    if f"INGEST_{key.replace('.', '_').upper()}" in SECRETS:
        variable = f"INGEST_{key.replace('.', '_').upper()}"
        return ConfigurationError(
            f"{printable(key)} ({origin}): a secret has no place in this file: "
            f"give it by {variable} or {variable}_FILE"
        )
    # Secrets do not belong in the file, but one that is there by mistake must not be logged.
    is_hidden = isinstance(value, dict) or _SECRET_NAME.search(key)
    what = printable(key) if is_hidden else f"{printable(key)} = {shown(value)}"
    return ConfigurationError(f"unknown key {what} ({origin}): {suggestion(key, known)}")
