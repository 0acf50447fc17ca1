"""The configuration: what is accepted, which source wins, and what each refusal says."""

import contextlib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import ConfigurationError
from ingest.settings import (
    FLAGS,
    OTHER_VARIABLES,
    AuthSettings,
    BankSettings,
    DatabaseSettings,
    GitLabSettings,
    LogSettings,
    Secrets,
    ServerSettings,
    Settings,
    WebhookSettings,
    describe,
    load,
)
from ingest.settings.sources import SECRETS

SHIPPED = Path(__file__).parent.parent / "config" / "ingest.toml"
KEYS = [
    f"{section}.{key}"
    for section, group in asdict(Settings()).items()
    for key in group
    if section != "secrets"
]
SECRET_VARIABLES = {name + end for name in SECRETS for end in ("", "_FILE")}
VARIABLES = {key: f"INGEST_{key.replace('.', '_').upper()}" for key in KEYS}

WriteConfig = Callable[[str], Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Return a function that makes a configuration file of a text."""

    def write(text: str) -> Path:
        file = tmp_path / "ingest.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def refusal(
    config_file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Return what `load` says when it refuses, having checked that it is one line."""
    with pytest.raises(ConfigurationError) as caught:
        load(config_file, overrides or {}, environ or {})
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def value_of(settings: Settings, key: str) -> object:
    """Return the value of a setting by its dotted key."""
    section, name = key.split(".")
    value: object = getattr(getattr(settings, section), name)
    return value


def test_without_any_source_every_setting_has_its_default() -> None:
    """Nothing given means the documented defaults, and origins that say so."""
    configuration = load(None, {}, {})

    assert configuration.settings == Settings(
        server=ServerSettings(
            host="127.0.0.1", port=9081, abandon_grace_s=20.0, shutdown_grace_s=25.0
        ),
        database=DatabaseSettings(url="ingest.db", wait_for_lock_s=0.0, busy_timeout_s=5.0),
        bank=BankSettings(
            url="item-bank",
            max_items_per_second=None,
            ignore_projects=("itembankreports",),
            ignore_items=(),
        ),
        gitlab=GitLabSettings(
            listing="auto",
            include_subgroups=True,
            include_archived=True,
            max_requests_at_once=16,
            max_requests_per_second=25.0,
            request_timeout_s=30.0,
            attempts=6,
            failures_in_a_row=10,
            full_check_every=7,
        ),
        webhook=WebhookSettings(url=None, create_hooks=False),
        log=LogSettings(format="auto", level="INFO"),
        secrets=Secrets(bank_token=None, webhook_token=None),
    )
    assert configuration.origins == dict.fromkeys(KEYS, "default")


def test_a_stronger_source_wins_and_is_named_as_the_origin(write_config: WriteConfig) -> None:
    """Flags win over the environment, the environment over the file, the file over defaults."""
    file = write_config(
        '[server]\nhost = "file.example"\nport = 1\nabandon_grace_s = 3\n[log]\nlevel = "ERROR"\n'
    )

    configuration = load(
        file,
        {"server.host": "flag.example", "bank.url": None},
        {"INGEST_SERVER_HOST": "env.example", "INGEST_SERVER_PORT": "2"},
    )

    assert configuration.settings == Settings(
        server=ServerSettings(host="flag.example", port=2, abandon_grace_s=3.0),
        log=LogSettings(level="ERROR"),
    )
    assert configuration.origins == dict.fromkeys(KEYS, "default") | {
        "server.host": "flag --host",
        "server.port": "environment variable INGEST_SERVER_PORT",
        "server.abandon_grace_s": f"file {file}",
        "log.level": f"file {file}",
    }


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.host", "::1", "::1"),
        ("server.port", "0", 0),
        ("server.port", "65535", 65535),
        ("server.abandon_grace_s", "1e-3", 0.001),
        ("server.shutdown_grace_s", "30", 30.0),
        ("server.allowed_hosts", "Ingest, ingest.Example.org", ("ingest", "ingest.example.org")),
        ("server.max_body_bytes", "0", 0),
        ("auth.require", "always", "always"),
        ("auth.metrics_open", "true", True),
        ("database.url", "sqlite:///other.db", "sqlite:///other.db"),
        ("database.wait_for_lock_s", "0", 0.0),
        ("database.busy_timeout_s", "0.5", 0.5),
        ("database.retain_executions", "1", 1),
        ("bank.url", "some where/bänk", "some where/bänk"),
        ("bank.max_items_per_second", "2.5", 2.5),
        ("bank.allow_deletes", "0", 0),
        ("bank.ignore_projects", "Reports, archive/OLD", ("reports", "archive/old")),
        ("bank.ignore_projects", "", ()),
        ("bank.ignore_items", "7, 8", (7, 8)),
        ("bank.ignore_items", " ", ()),
        ("gitlab.listing", "membership", "membership"),
        ("gitlab.include_archived", "false", False),
        ("gitlab.max_requests_per_second", "0.5", 0.5),
        ("webhook.url", "https://ingest.example/webhook", "https://ingest.example/webhook"),
        ("webhook.create_hooks", "true", True),
        ("log.format", "json", "json"),
        ("log.level", "DEBUG", "DEBUG"),
    ],
)
def test_every_setting_can_come_from_the_environment(key: str, text: str, value: object) -> None:
    """INGEST_<SECTION>_<KEY> is read as a value of the setting's type."""
    configuration = load(None, {}, {VARIABLES[key]: text})

    assert value_of(configuration.settings, key) == value
    assert type(value_of(configuration.settings, key)) is type(value)
    assert configuration.origins[key] == f"environment variable {VARIABLES[key]}"


@pytest.mark.parametrize(
    ("key", "flag", "given_value", "value"),
    [
        ("server.host", "--host", "localhost", "localhost"),
        ("server.port", "--port", 0, 0),
        ("server.port", "--port", "80", 80),
        ("database.url", "--database", "x.db", "x.db"),
        ("database.wait_for_lock_s", "--wait-for-database", 3, 3.0),
        ("database.retain_executions", "--retain-executions", "30", 30),
        ("bank.url", "--bank", "bank", "bank"),
        ("bank.max_items_per_second", "--max-items-per-second", "5", 5.0),
    ],
)
def test_every_flag_sets_its_setting(
    key: str, flag: str, given_value: object, value: object
) -> None:
    """A flag's value, parsed already or still text, is in force and has the flag as its origin."""
    configuration = load(None, {key: given_value}, {})

    assert value_of(configuration.settings, key) == value
    assert type(value_of(configuration.settings, key)) is type(value)
    assert configuration.origins[key] == f"flag {flag}"


def test_every_flag_belongs_to_a_setting() -> None:
    """No flag names a key that is not there."""
    assert set(FLAGS) <= set(KEYS)


def test_flags_not_given_change_nothing() -> None:
    """None, which a command line has for a flag that was not given, is no value."""
    assert load(None, dict.fromkeys(FLAGS), {}) == load(None, {}, {})


def test_the_names_that_are_no_settings_are_let_through() -> None:
    """Variables for secrets, for clients and of other programs are not the settings' matter."""
    environ = dict.fromkeys(OTHER_VARIABLES - {"INGEST_CONFIG"} - SECRET_VARIABLES, "x") | {
        "PATH": "/bin",
        "INGEST": "",
    }

    assert load(None, {}, environ) == load(None, {}, {})
    assert OTHER_VARIABLES.isdisjoint(VARIABLES.values())


def test_lists_and_whole_numbers_from_a_file_have_the_settings_types(
    write_config: WriteConfig,
) -> None:
    """TOML's lists become tuples and its whole numbers floats where the setting is one."""
    file = write_config(
        '[bank]\nmax_items_per_second = 4\nignore_projects = ["ÄRGER"]\nignore_items = [3, 1]\n'
    )

    bank = load(file, {}, {}).settings.bank

    assert bank == BankSettings(
        max_items_per_second=4.0, ignore_projects=("ärger",), ignore_items=(3, 1)
    )
    assert type(bank.max_items_per_second) is float


# Files


def test_the_environment_names_the_file_when_no_flag_does(write_config: WriteConfig) -> None:
    """INGEST_CONFIG is read like --config."""
    file = write_config("[server]\nport = 7\n")

    assert load(None, {}, {"INGEST_CONFIG": str(file)}) == load(file, {}, {})


def test_the_flag_names_the_file_before_the_environment_does(write_config: WriteConfig) -> None:
    """With --config, what INGEST_CONFIG names is not even looked at."""
    file = write_config("[server]\nport = 7\n")

    configuration = load(file, {}, {"INGEST_CONFIG": "/not/there"})

    assert configuration.settings.server.port == 7


def test_no_file_is_read_that_nobody_named(write_config: WriteConfig) -> None:
    """A configuration file in the working directory counts for nothing by itself."""
    file = write_config("[server]\nport = 7\n")

    with contextlib.chdir(file.parent):
        assert load(None, {}, {}).settings == Settings()


def test_a_relative_path_in_a_file_starts_at_the_working_directory(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    """Not the file's own folder, but the working directory, is where relative paths start."""
    file = write_config('[database]\nurl = "data/x.db"\n')
    (tmp_path / "work" / "data").mkdir(parents=True)

    with contextlib.chdir(tmp_path / "work"):
        path = load(file, {}, {}).settings.database.path

    assert path == (tmp_path / "work" / "data" / "x.db").resolve()


def test_a_configuration_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The refusal names the file and who named it."""
    file = tmp_path / "missing.toml"

    assert refusal(file) == (
        f"configuration file {file} (named by --config) is not there: create it or name another"
    )
    assert refusal(environ={"INGEST_CONFIG": str(file)}) == (
        f"configuration file {file} (named by environment variable INGEST_CONFIG) is not there: "
        "create it or name another"
    )


def test_an_empty_name_of_the_file_is_refused() -> None:
    """An empty INGEST_CONFIG is a mistake, not a wish for the defaults."""
    assert refusal(environ={"INGEST_CONFIG": ""}) == (
        "environment variable INGEST_CONFIG is empty: name a file or unset it"
    )


def test_a_configuration_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """The system's reason stands in the refusal."""
    assert refusal(tmp_path) == (
        f"configuration file {tmp_path} (named by --config) cannot be read: Is a directory"
    )
    assert "cannot be read: embedded null byte" in refusal(Path("a\0b"))


def test_a_file_name_that_would_break_the_line_is_escaped(tmp_path: Path) -> None:
    """Even a line break in the file's name leaves the refusal one line."""
    assert "a\\nb.toml" in refusal(tmp_path / "a\nb.toml")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"[server]\nport = \n", "is not TOML: Invalid value (at line 2, column 8)"),
        (b"[server]\nport = 1\nport = 2\n", "(at line 3, column 9)"),
        (b"[server]\n# \xff\n", "is not UTF-8 (at line 2): save it so"),
        (b"x = " + b"[" * 100_000, "is not TOML: "),
        (b"x = " + b"9" * 10_000, "is not TOML: "),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_the_line(
    tmp_path: Path, content: bytes, what: str
) -> None:
    """The refusal names the file and, where there is one, the line."""
    file = tmp_path / "broken.toml"
    file.write_bytes(content)

    message = refusal(file)

    assert message.startswith(f"configuration file {file} (named by --config) is not ")
    assert what in message


# Unknown names


@pytest.mark.parametrize(
    ("text", "what", "way_out"),
    [
        ("[server]\nprot = 9081\n", "server.prot = 9081", "did you mean server.port?"),
        ("[servr]\nport = 9081\n", "servr", "did you mean server?"),
        ("port = 9081\n", "port = 9081", "did you mean server.port?"),
        ('[server]\nlevel = "INFO"\n', "server.level = 'INFO'", "did you mean log.level?"),
        ("[bank]\nmax_items = 5\n", "bank.max_items = 5", "did you mean bank.max_items_per_"),
        ('url = "x"\n', "url = 'x'", "did you mean bank.url or database.url or webhook.url?"),
        ('[server]\n"a\\nb" = 1\n', "'server.a\\nb' = 1", "take it out; there are auth."),
        ("[zzz]\nqqq = 1\n", "zzz", "take it out; there are auth, auth.jwt_audience, "),
        ("[log.x]\n", "log.x", "take it out; there are "),
    ],
)
def test_an_unknown_key_in_the_file_is_refused(
    text: str, what: str, way_out: str, write_config: WriteConfig
) -> None:
    """The refusal names key, value and file, and what may have been meant."""
    file = write_config(text)

    assert refusal(file).startswith(f"unknown key {what} (file {file}): {way_out}")


def test_a_secret_put_into_the_file_by_mistake_is_not_shown(write_config: WriteConfig) -> None:
    """The refusal of an unknown key named like a secret does not hold its value."""
    for text in (
        '[bank]\npassword = "hunter2"\n',
        '[secrets]\nx = "hunter2"\n',
        'API_KEY = "hunter2"',
    ):
        message = refusal(write_config(text))
        assert message.startswith("unknown key ")
        assert "hunter2" not in message


@pytest.mark.parametrize(
    ("variable", "way_out"),
    [
        ("INGEST_SERVER_PROT", "did you mean INGEST_SERVER_PORT?"),
        ("INGEST_TOKN", "did you mean INGEST_TOKEN?"),
        ("INGEST_server_port", "did you mean INGEST_SERVER_PORT?"),
        ("INGEST_NONSENSE", "take it out; there are INGEST_AUTH_JWT_AUDIENCE, "),
        ("INGEST_", "take it out; there are INGEST_AUTH_JWT_AUDIENCE, "),
    ],
)
def test_an_unknown_variable_is_refused_without_its_value(variable: str, way_out: str) -> None:
    """The refusal names the variable and what may have been meant; it may hold a secret."""
    message = refusal(environ={variable: "hunter2"})

    assert message.startswith(f"unknown environment variable {variable}: {way_out}")
    assert "hunter2" not in message


def test_a_value_in_place_of_a_section_is_refused(write_config: WriteConfig) -> None:
    """A section's name with a value says how a section is written."""
    file = write_config("server = 5\n")

    assert refusal(file) == f"server = 5 (file {file}): must be a section, [server]"


# Wrong values


@pytest.mark.parametrize(
    ("section", "line", "shown", "what"),
    [
        ("server", 'port = "9081"', "'9081'", "must be a whole number; the default is 9081"),
        ("server", "port = true", "true", "must be a whole number"),
        ("server", "port = 9081.0", "9081.0", "must be a whole number"),
        ("server", "port = -1", "-1", "must be from 0 to 65535"),
        ("server", "port = 65536", "65536", "must be from 0 to 65535"),
        ("server", f"port = 0x{'f' * 5000}", "a number of thousands of digits", "must be from 0"),
        ("server", "host = 1", "1", "must be text; the default is '127.0.0.1'"),
        ("server", 'host = ""', "''", "must be a host name or an address, without a port"),
        ("server", 'host = "http://x"', "'http://x'", "must be a host name or an address"),
        ("server", 'abandon_grace_s = "20"', "'20'", "must be a number"),
        ("server", "abandon_grace_s = false", "false", "must be a number"),
        ("server", "abandon_grace_s = 0", "0", "must be a finite number above 0"),
        ("server", "abandon_grace_s = inf", "inf", "must be a finite number above 0"),
        ("server", "shutdown_grace_s = nan", "nan", "must be a finite number above 0"),
        ("server", "shutdown_grace_s = -1.5", "-1.5", "must be a finite number above 0"),
        ("server", 'allowed_hosts = ["x:80"]', "['x:80']", "must hold host names, without a port"),
        ("server", "request_within_s = 0", "0", "must be a finite number above 0"),
        ("server", "max_requests = 0", "0", "must be from 1 to 65536"),
        ("auth", 'require = "never"', "'never'", "must be one of auto, always"),
        ("auth", "metrics_open = 1", "1", "must be true or false; the default is false"),
        ("auth", 'metrics_open = "true"', "'true'", "must be true or false"),
        ("auth", 'jwt_issuer = " "', "' '", "must be a text; the default is none"),
        *[
            ("auth", f"jwt_jwks_url = '{url}'", shown, "must be a URL of https, or of http on this")
            for url, shown in [
                ("http://login.example/keys", "'http://login.example/keys'"),
                ("https://", "'https://'"),
                ("https://[", "'https://['"),
                ("https://login.example:0/", "'https://login.example:0/'"),
                ("file:///keys", "'file:///keys'"),
                ("https://user:secret@login.example/", "'https:***@login.example/'"),
            ]
        ],
        ("database", "url = 1", "1", "must be text"),
        ("database", "url = 1979-05-27", "datetime.date(1979, 5, 27)", "must be text"),
        ("database", 'url = ""', "''", "must be a path that can exist"),
        ("database", 'url = "a\\u0000b"', "'a\\x00b'", "must be a path that can exist"),
        ("database", "wait_for_lock_s = -0.1", "-0.1", "must be a finite number, 0 or above"),
        ("database", "wait_for_lock_s = inf", "inf", "must be a finite number, 0 or above"),
        ("database", "wait_for_lock_s = nan", "nan", "must be a finite number, 0 or above"),
        ("database", "busy_timeout_s = 1e10", "10000000000.0", "must be from 0 to 2147483"),
        ("database", "busy_timeout_s = nan", "nan", "must be from 0 to 2147483"),
        ("bank", "url = []", "[]", "must be text"),
        ("bank", 'url = " "', "' '", "must be a path that can exist"),
        ("bank", "allow_deletes = -1", "-1", "must be 0 or above"),
        ("bank", "allow_deletes = 1.5", "1.5", "must be a whole number"),
        ("bank", "max_items_per_second = 0", "0", "must be a finite number above 0"),
        ("bank", "max_items_per_second = nan", "nan", "must be a finite number above 0"),
        ("bank", "max_items_per_second = true", "true", "must be a number; the default is none"),
        ("bank", f"max_items_per_second = 1{'0' * 400}", f"1{'0' * 199}…", "int too large"),
        ("bank", 'ignore_projects = "x"', "'x'", "must be a list of texts"),
        ("bank", 'ignore_projects = ["x", 1]', "['x', 1]", "must be a list of texts"),
        ("bank", 'ignore_projects = [" "]', "[' ']", "must hold no empty name"),
        ("bank", "ignore_items = 5", "5", "must be a list of whole numbers"),
        ("bank", "ignore_items = [true]", "[True]", "must be a list of whole numbers"),
        ("bank", 'ignore_items = ["5"]', "['5']", "must be a list of whole numbers"),
        ("bank", "ignore_items = [0]", "[0]", "must hold item ids, from 1 to 9223372036854775807"),
        ("bank", "ignore_items = [9223372036854775808]", "[9223372036854775808]", "must hold item"),
        ("log", 'format = "xml"', "'xml'", "must be one of auto, console, json"),
        ("log", 'level = "info"', "'info'", "must be one of DEBUG, INFO, WARNING, ERROR"),
        ("log", "level = 20", "20", "must be one of DEBUG, INFO, WARNING, ERROR"),
        ("log", "level = {x = 1}", "{'x': 1}", "must be one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_a_wrong_value_in_the_file_is_refused(
    section: str, line: str, shown: str, what: str, write_config: WriteConfig
) -> None:
    """The refusal names key, value and file, and says what the value must be."""
    file = write_config(f"[{section}]\n{line}\n")

    message = refusal(file)

    key = f"{section}.{line.partition(' ')[0]}"
    assert message.startswith(f"{key} = {shown} (file {file}): {what}")
    assert "; the default is " in message


@pytest.mark.parametrize(
    ("key", "text", "what"),
    [
        *[
            ("server.port", text, "must be a whole number")
            for text in [
                "",
                "x",
                " 1",
                "1 ",
                "+1",
                "1_0",
                "09",
                "1.0",
                "0x10",
                "\u0661",
                "true",
                "9" * 30,
            ]
        ],
        ("server.port", "-1", "must be from 0 to 65535"),
        *[
            ("bank.max_items_per_second", text, "must be a number")
            for text in ["", "nan", "inf", "-inf", "1_0", "+1", ".5", "1.", "1,5", "\u0663", "none"]
        ],
        ("bank.max_items_per_second", "1e999", "must be a finite number above 0"),
        ("bank.max_items_per_second", "-1", "must be a finite number above 0"),
        ("bank.ignore_items", "1,,2", "must be a list of whole numbers"),
        ("bank.ignore_items", "[1]", "must be a list of whole numbers"),
        ("bank.ignore_projects", "a,,b", "must hold no empty name"),
        ("server.host", "a b", "must be a host name or an address"),
        ("database.url", "\ud800", "must be a path that can exist"),
        ("auth.metrics_open", "True", "must be true or false"),
        ("log.level", "TRACE", "must be one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_a_wrong_value_in_the_environment_is_refused(key: str, text: str, what: str) -> None:
    """Text is read strictly; the refusal names key, value and variable."""
    message = refusal(environ={VARIABLES[key]: text})

    assert message.startswith(f"{key} = {text!r} (environment variable {VARIABLES[key]}): {what}")


def test_a_part_of_an_issuer_is_refused() -> None:
    """An issuer whose tokens could not be checked is named, with what is missing."""
    whole = {
        "INGEST_AUTH_JWT_ISSUER": "me",
        "INGEST_AUTH_JWT_JWKS_URL": "http://127.0.0.1:1/keys",
        "INGEST_AUTH_JWT_AUDIENCE": "you",
    }
    assert load(None, {}, whole).settings.auth.jwt_audience == "you"
    del whole["INGEST_AUTH_JWT_AUDIENCE"]
    assert refusal(environ=whole) == (
        "auth.jwt_issuer = 'me' (environment variable INGEST_AUTH_JWT_ISSUER): without "
        "auth.jwt_audience no token of that issuer can be checked: set all three"
    )
    del whole["INGEST_AUTH_JWT_ISSUER"]
    assert "without auth.jwt_issuer and auth.jwt_audience no" in refusal(environ=whole)


@pytest.mark.parametrize(
    ("key", "flag", "value", "what"),
    [
        ("server.port", "--port", "x", "must be a whole number"),
        ("server.port", "--port", 70000, "must be from 0 to 65535"),
        ("database.wait_for_lock_s", "--wait-for-database", -1.0, "must be a finite number, 0 or"),
        ("bank.max_items_per_second", "--max-items-per-second", 0.0, "must be a finite number"),
    ],
)
def test_a_wrong_value_of_a_flag_is_refused(key: str, flag: str, value: object, what: str) -> None:
    """The refusal names key, value and flag."""
    message = refusal(overrides={key: value})

    assert message.startswith(f"{key} = {value!r} (flag {flag}): {what}")


def test_a_wrong_value_is_refused_even_when_a_stronger_source_replaces_it(
    write_config: WriteConfig,
) -> None:
    """A file is right or wrong whatever flags the service is started with."""
    file = write_config('[server]\nport = "9081"\n')

    assert "server.port = '9081'" in refusal(file, {"server.port": 1})


def test_a_long_value_is_cut_short() -> None:
    """A refusal stays readable whatever was pasted."""
    assert len(refusal(environ={"INGEST_SERVER_PORT": "x" * 100_000})) < 400


# Addresses of the database and the bank


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("postgresql://db/ingest", "postgresql"),
        ("postgresql+psycopg://db/ingest", "postgresql+psycopg"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite"),
        ("file:x.db", "file"),
    ],
)
def test_other_databases_are_refused(url: str, scheme: str) -> None:
    """The refusal names the kind of database that is not supported, and what is."""
    assert refusal(overrides={"database.url": url}) == (
        f"database.url = '{url}' (flag --database): {scheme} is not supported by this version: "
        "give FILE or sqlite:///FILE; the default is 'ingest.db'"
    )


@pytest.mark.parametrize(
    "url", ["sqlite:///", "sqlite:", "sqlite://host/x", "sqlite:///:memory:", ":memory:"]
)
def test_a_database_without_a_file_is_refused(url: str) -> None:
    """SQLite's forms without a file are refused rather than taken for file names."""
    message = refusal(overrides={"database.url": url})

    assert "must name a file, without options: give FILE or sqlite:///FILE" in message


@pytest.mark.parametrize("url", ["gitlab://git.example/items", "git+ssh:bank", "https://x"])
def test_other_item_banks_are_refused(url: str) -> None:
    """The refusal names the kind of bank that is not supported, and what is."""
    assert refusal(overrides={"bank.url": url}) == (
        f"bank.url = '{url}' (flag --bank): {url.partition(':')[0]} is not supported by this "
        "version: give DIR, a folder of git repositories, git+file:DIR, one repository, or "
        "gitlab+https://HOST/GROUP; the default is 'item-bank'"
    )


@pytest.mark.parametrize(
    ("url", "path", "is_one_repository"),
    [
        ("bank", "bank", False),
        ("git+file:bank", "bank", True),
        ("git+file:/srv/bank.git", "/srv/bank.git", True),
        ("git+file:///srv/my bank", "/srv/my bank", True),
    ],
)
def test_a_bank_is_a_folder_or_one_repository(
    url: str, path: str, *, is_one_repository: bool
) -> None:
    """The address tells which, and the folder is relative or absolute."""
    bank = load(None, {"bank.url": url}, {}).settings.bank
    assert (bank.path.resolve(), bank.is_one_repository) == (
        Path(path).resolve(),
        is_one_repository,
    )


@pytest.mark.parametrize("url", ["git+file:", "git+file: ", "git+file://host/bank"])
def test_one_repository_lies_in_a_local_folder(url: str) -> None:
    """An address that names no folder, or a host, is refused with what is accepted."""
    assert (
        "must name a local folder: give DIR, a folder of git repositories, git+file:DIR, one "
        "repository, or gitlab+https://HOST/GROUP"
    ) in refusal(overrides={"bank.url": url})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@db/ingest",
        "postgresql://user:hun@ter/hunter2?hunter2@db",
        "postgresql:user:hunter2@db",
        "postgresql://db/ingest?user=u&password=hunter2",
        "postgresql://user:hunter2\n@db",
        "sqlite:///x.db?key=hunter2",
    ],
)
def test_secrets_in_an_address_are_not_shown(url: str) -> None:
    """A refused URL is shown without user, password and options."""
    for key in ("database.url", "bank.url"):
        message = refusal(overrides={key: url})
        assert "hunter2" not in message
        assert "***" in message


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_the_database_path_is_the_resolved_file(prefix: str, tmp_path: Path) -> None:
    """FILE and sqlite:///FILE mean the same file, absolute and with links followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    expected = tmp_path.resolve() / "real" / "a@b c.db"

    assert DatabaseSettings(url=f"{prefix}{tmp_path}/link/a@b c.db").path == expected
    with contextlib.chdir(tmp_path):
        assert DatabaseSettings(url=f"{prefix}link/a@b c.db").path == expected


def test_a_database_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The refusal names the folder; it is not made."""
    url = f"sqlite:///{tmp_path}/missing/x.db"

    assert refusal(environ={"INGEST_DATABASE_URL": url}) == (
        f"database.url = '{url}' (environment variable INGEST_DATABASE_URL): "
        f"the folder {tmp_path.resolve()}/missing is not there: create it or name another"
    )
    assert not (tmp_path / "missing").exists()


def test_a_file_in_place_of_the_database_folder_is_refused(tmp_path: Path) -> None:
    """The refusal says that the folder is a file."""
    (tmp_path / "file").touch()

    message = refusal(overrides={"database.url": f"{tmp_path}/file/x.db"})

    assert f"the folder {tmp_path.resolve()}/file is a file, not a folder" in message


def test_a_folder_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    """The refusal says to name a file in the folder."""
    assert refusal(overrides={"database.url": str(tmp_path)}) == (
        f"database.url = '{tmp_path}' (flag --database) is a folder: name a file in it"
    )


def test_a_database_path_that_the_system_refuses_is_refused(tmp_path: Path) -> None:
    """The system's reason stands in the refusal: a name too long, links in a circle."""
    (tmp_path / "circle").symlink_to("circle")

    assert "File name too long" in refusal(overrides={"database.url": f"{tmp_path}/{'x' * 999}/y"})
    assert refusal(overrides={"database.url": f"{tmp_path}/circle/x.db"})


def test_a_bank_that_is_not_there_is_no_matter_of_the_configuration(tmp_path: Path) -> None:
    """A missing item bank loads: it may come later."""
    bank = str(tmp_path / "missing")

    assert load(None, {"bank.url": bank}, {}).settings.bank.url == bank


# By hand, described, shipped


def test_settings_made_by_hand_keep_to_the_same_limits() -> None:
    """A test or a tool that builds settings itself cannot build what load refuses."""
    with pytest.raises(ValueError, match="must be from 0 to 65535"):
        ServerSettings(port=65536)
    with pytest.raises(ValueError, match="postgresql is not supported by this version"):
        DatabaseSettings(url="postgresql://db/x")


def test_describe_lists_every_setting_in_order_with_value_and_origin() -> None:
    """What `ingest config` prints: all settings, the values in force, where they come from."""
    described = describe(load(None, {"server.port": 0}, {"INGEST_BANK_IGNORE_ITEMS": "4"}))

    assert [key for key, _, _ in described] == [*KEYS, *SECRETS]
    assert described[:2] == [
        ("server.host", "127.0.0.1", "default"),
        ("server.port", 0, "flag --port"),
    ]
    assert ("bank.max_items_per_second", None, "default") in described
    assert ("bank.ignore_items", (4,), "environment variable INGEST_BANK_IGNORE_ITEMS") in described


def test_the_shipped_file_holds_every_key_with_its_default() -> None:
    """config/ingest.toml is all keys and changes nothing; the optional ones stand commented out."""
    optional = {
        *("auth.jwt_audience", "auth.jwt_issuer", "auth.jwt_jwks_url"),
        *("database.retain_executions", "webhook.url"),
        *("bank.allow_deletes", "bank.max_items_per_second"),
    }

    configuration = load(SHIPPED, {}, {})
    from_file = {key for key, origin in configuration.origins.items() if origin != "default"}

    assert configuration.settings == Settings()
    assert from_file == set(KEYS) - optional
    text = SHIPPED.read_text(encoding="utf-8")
    names = "|".join(key.partition(".")[2] for key in optional)
    uncommented = tomllib.loads(re.sub(f"^# (?=({names}) = )", "", text, flags=re.MULTILINE))
    keys = [f"{section}.{key}" for section, group in uncommented.items() for key in group]
    assert keys == KEYS


def test_the_shipped_file_explains_every_key() -> None:
    """Above each key of config/ingest.toml stands a comment."""
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"(# )?[a-z_]+ = ", line)]

    assert len(keys) == len(KEYS)
    assert all(lines[number - 1].startswith("# ") for number in keys)


def test_the_optional_keys_of_the_shipped_file_work_when_uncommented(
    write_config: WriteConfig,
) -> None:
    """The commented keys are one comment sign away from a configuration that loads."""
    text = SHIPPED.read_text(encoding="utf-8")
    for key in ("max_items", "allow_deletes", "retain_executions", "url", "jwt_"):
        text = text.replace(f"# {key}", key)

    settings = load(write_config(text), {}, {}).settings

    assert settings == evolve(
        Settings(),
        auth=AuthSettings(
            jwt_issuer="https://login.example.org/",
            jwt_jwks_url="https://login.example.org/keys.json",
            jwt_audience="item-ingest",
        ),
        database=DatabaseSettings(retain_executions=1000),
        bank=BankSettings(max_items_per_second=50.0, allow_deletes=100),
        webhook=WebhookSettings(url="https://ingest.example/webhook"),
    )


@given(
    variable=st.sampled_from([*VARIABLES.values(), "INGEST_CONFIG"])
    | st.text().map(lambda name: f"INGEST_{name}"),
    text=st.text(st.characters(exclude_categories=[]))
    | st.from_regex(r"[a-z+]{0,12}:/{0,3}.*|-?[0-9.e_]+|[0-9, ]+"),
)
def test_any_text_in_any_variable_loads_or_is_refused_in_one_line(variable: str, text: str) -> None:
    """No text in the environment is answered with a traceback or with more than a line."""
    message = "loaded"
    try:
        load(None, {}, {variable: text})
    except ConfigurationError as error:
        message = str(error)

    assert message.isprintable()
    assert len(message.splitlines()) == 1
