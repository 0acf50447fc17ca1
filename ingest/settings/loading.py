"""How the settings in force come about: what was given is checked, and merged by priority."""

import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin

from attrs import evolve, frozen

from ingest.errors import ConfigurationError
from ingest.settings.sources import (
    FIELDS,
    SECRETS,
    Given,
    in_environment,
    in_file,
    in_flags,
    secrets_in,
)
from ingest.settings.tree import AuthSettings, DatabaseSettings, Secrets, Settings, walk
from ingest.settings.wording import printable, reason, shown

_KINDS: Mapping[object, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple[str, ...]: "a list of texts (in the environment: separated by commas)",
    tuple[int, ...]: "a list of whole numbers (in the environment: separated by commas)",
}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@frozen(kw_only=True)
class Configuration:
    """The settings in force, and for each dotted key where its value comes from."""

    settings: Settings
    origins: Mapping[str, str]


_DEFAULTS = Settings()


def load(
    config_file: Path | None, overrides: Mapping[str, object], environ: Mapping[str, str]
) -> Configuration:
    """Merge defaults, file, environment and flags, each stronger than the one before.

    Every value is checked, even one that a stronger one replaces. Of the database only its folder
    is looked at, of the item bank nothing.

    Args:
        config_file: The file that --config names; without it, INGEST_CONFIG may name one.
        overrides: The flags' values by the keys of `FLAGS`, None where a flag was not given; text
            is read as in the environment.
        environ: The environment.

    Raises:
        ConfigurationError: The first thing found wrong, in one line.
    """
    groups: dict[str, dict[str, object]] = {}
    origins = dict.fromkeys(FIELDS, "default")
    for given in chain(in_file(config_file, environ), in_environment(environ), in_flags(overrides)):
        section, name = given.key.split(".")
        groups.setdefault(section, {})[name] = _checked(given)
        origins[given.key] = given.origin
    sections = {
        section: evolve(getattr(_DEFAULTS, section), **group) for section, group in groups.items()
    }
    secrets = {}
    for name, secret, origin in secrets_in(environ):
        secrets[name] = secret
        origins[f"secrets.{name}"] = origin
    settings = evolve(_DEFAULTS, **sections, secrets=Secrets(**secrets))
    _check_issuer(settings.auth, origins)
    _check_database_folder(settings.database, origins["database.url"])
    return Configuration(settings=settings, origins=MappingProxyType(origins))


def describe(configuration: Configuration) -> list[tuple[str, object, str]]:
    """Return each setting's dotted key, its value and its origin, then the secrets, masked."""
    settings, origins = configuration.settings, configuration.origins
    rows = [(key, value, origins.get(key, "default")) for key, _, value in walk(settings)]
    for variable, name in SECRETS.items():
        is_given = getattr(settings.secrets, name) is not None
        rows.append((variable, "***" if is_given else None, origins.get(f"secrets.{name}", "")))
    return rows


def _checked(given: Given) -> object:
    setting = FIELDS[given.key]
    try:
        kind = _given_kind(setting.type)
        value = _parsed(kind, str(given.value)) if given.is_text else given.value
        value = _typed(kind, value)
        if setting.validator is not None:
            setting.validator(None, setting, value)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{given.key} = {shown(given.value)} ({given.origin}): {error}; "
            f"the default is {shown(setting.default)}"
        ) from None
    return value


def _given_kind(kind: Any) -> Any:
    """Return the type that a value has where one is given: None only stands for none given."""
    present = [one for one in get_args(kind) if one is not NoneType]
    return present[0] if NoneType in get_args(kind) else kind


def _parsed(kind: Any, text: str) -> object:
    """Return what TOML would have for *text* in a setting of this type; *text* if nothing."""
    if get_origin(kind) is tuple:
        parts = text.split(",") if text.strip() else []
        return [_parsed(get_args(kind)[0], part.strip()) for part in parts]
    if kind is bool and text in ("true", "false"):
        return text == "true"
    if kind is int and _INTEGER.fullmatch(text):
        return int(text)
    if kind is float and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _typed(kind: Any, value: object) -> object:
    """Return a value of TOML's as the setting has it: lists as tuples, whole numbers as float.

    Raises:
        ValueError: It is of another type.
    """
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise ValueError(f"must be one of {', '.join(get_args(kind))}")
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        if isinstance(value, list) and all(_is(element, each) for each in value):
            return tuple(value)
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif _is(kind, value):
        return value
    raise ValueError(f"must be {_KINDS[kind]}")


def _is(kind: type, value: object) -> bool:
    # To Python, true is a whole number.
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _check_issuer(auth: AuthSettings, origins: Mapping[str, str]) -> None:
    """Refuse an issuer of which a part is missing: its tokens could not be checked."""
    values = {
        "auth.jwt_issuer": auth.jwt_issuer,
        "auth.jwt_jwks_url": auth.jwt_jwks_url,
        "auth.jwt_audience": auth.jwt_audience,
    }
    given = [key for key, value in values.items() if value is not None]
    missing = [key for key in values if key not in given]
    if given and missing:
        raise ConfigurationError(
            f"{given[0]} = {shown(values[given[0]])} ({origins[given[0]]}): without "
            f"{' and '.join(missing)} no token of that issuer can be checked: set all three"
        )


def _check_database_folder(database: DatabaseSettings, origin: str) -> None:
    name = f"database.url = {shown(database.url)} ({origin})"
    try:
        folder = database.path.parent
        is_folder = database.path.is_dir()
        wrong = "is a file, not a folder" if folder.is_file() else "is not there"
        is_usable = folder.is_dir()
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"{name} cannot be used: {reason(error)}") from None
    if is_folder:
        raise ConfigurationError(f"{name} is a folder: name a file in it")
    if not is_usable:
        raise ConfigurationError(
            f"{name}: the folder {printable(str(folder))} {wrong}: create it or name another"
        )
