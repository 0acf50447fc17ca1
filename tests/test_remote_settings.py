"""The configuration of a bank at GitLab: its address, and the secrets that nothing may show."""

import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.errors import ConfigurationError
from ingest.model.secret import Secret
from ingest.settings import describe, load

HIDDEN = "glpat-hunter2"


def refusal(environ: Mapping[str, str], url: str | None = None) -> str:
    """Return what `load` says when it refuses, having checked that it gives no secret away."""
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"bank.url": url}, environ)
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin", "group"),
    [
        ("gitlab+https://git.example/items", "https://git.example", "items"),
        ("gitlab+https://git.example:8443/a/b.c/d_e/", "https://git.example:8443", "a/b.c/d_e"),
        ("gitlab+http://127.0.0.1:80/items", "http://127.0.0.1:80", "items"),
        ("gitlab+http://localhost/items", "http://localhost", "items"),
        ("gitlab+http://[::1]:9/items", "http://[::1]:9", "items"),
    ],
)
def test_a_bank_at_gitlab_is_a_host_and_a_group(url: str, origin: str, group: str) -> None:
    """The address tells where GitLab is and which of its groups holds the items."""
    bank = load(None, {"bank.url": url}, {}).settings.bank
    assert (bank.is_gitlab, bank.is_one_repository) == (True, False)
    assert (bank.gitlab_origin, bank.gitlab_group) == (origin, group)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gitlab+https:items", "must name a group"),
        ("gitlab+https://git.example", "must name a group"),
        ("gitlab+https://git.example/", "must name a group"),
        ("gitlab+https://git.example/a//b", "must name a group"),
        ("gitlab+https://git.example/a b", "must name a group"),
        ("gitlab+https://git.example/items?private_token=glpat-hunter2", "must name a group"),
        ("gitlab+https://git.example/items#x", "must name a group"),
        ("gitlab+https://git.example:0/items", "must name a group"),
        ("gitlab+https://git.example:x/items", "must be gitlab+https://HOST/GROUP"),
        ("gitlab+https://user:glpat-hunter2@git.example/items", "no user or password"),
        ("gitlab+http://git.example/items", "for this machine only: give gitlab+https"),
        ("gitlab+http://10.0.0.1/items", "for this machine only: give gitlab+https"),
    ],
)
def test_another_address_at_gitlab_is_refused(url: str, says: str) -> None:
    """What names no group, or would give the token away, is refused with what is wrong."""
    assert says in refusal({}, url)


@pytest.mark.parametrize("name", ["BANK_TOKEN", "WEBHOOK_TOKEN"])
def test_a_secret_comes_from_the_environment_or_a_file(name: str, tmp_path: Path) -> None:
    """A variable holds it, or names a file that does; its origin is told, itself never."""
    file = tmp_path / "secret"
    file.write_text(f"{HIDDEN}\n")
    for environ, origin in (
        ({f"INGEST_{name}": HIDDEN}, f"environment variable INGEST_{name}"),
        ({f"INGEST_{name}_FILE": str(file)}, f"file {file} (named by INGEST_{name}_FILE)"),
    ):
        configuration = load(None, {}, environ)
        secret = getattr(configuration.settings.secrets, name.lower())
        assert secret.reveal() == HIDDEN
        assert (f"INGEST_{name}", "***", origin) in describe(configuration)
        assert HIDDEN not in repr(configuration)
        assert HIDDEN not in repr(describe(configuration))
    assert (f"INGEST_{name}", None, "") in describe(load(None, {}, {}))


def test_what_is_no_secret_is_refused(tmp_path: Path) -> None:
    """Two sources, an empty text, a file that is not there: one line each, without the secret."""
    missing = tmp_path / "missing"
    both = {"INGEST_BANK_TOKEN": HIDDEN, "INGEST_BANK_TOKEN_FILE": str(missing)}
    assert refusal(both).endswith("are both given: unset one")
    for text in ("", " ", f"{HIDDEN}\n{HIDDEN}", f"{HIDDEN}é"):
        assert "holds no secret: one line of ASCII" in refusal({"INGEST_BANK_TOKEN": text})
    message = refusal({"INGEST_BANK_TOKEN_FILE": str(missing)})
    assert f"file {missing} (named by INGEST_BANK_TOKEN_FILE) cannot be read" in message


def test_a_secret_in_the_configuration_file_is_refused(tmp_path: Path) -> None:
    """The file is no place for it, and the refusal names the variables that are."""
    file = tmp_path / "ingest.toml"
    file.write_text(f'[bank]\ntoken = "{HIDDEN}"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(file, {}, {})
    assert "give it by INGEST_BANK_TOKEN or INGEST_BANK_TOKEN_FILE" in str(caught.value)
    assert HIDDEN not in str(caught.value)


def test_a_secret_shows_itself_only_when_asked_to() -> None:
    """No way of making text of it, and no copy of it, gives it away."""
    secret = Secret(HIDDEN)
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>9}", f"{[secret]}"[1:-1]} == {"***"}
    assert secret.hide_in(f"bad token {HIDDEN}!") == "bad token ***!"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert (secret, hash(secret)) == (Secret(HIDDEN), hash(Secret(HIDDEN)))
    assert secret != Secret("x")
