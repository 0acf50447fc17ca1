"""The manifests for Kubernetes: valid, and true of the service that they run."""

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from click.testing import CliRunner

from ingest.app import create_app
from ingest.cli import cli
from ingest.serve import BEYOND_GRACE_S, LAST_ANSWERS_S
from ingest.settings import Settings, load
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "config" / "kubernetes"
CONFIG: Final = FOLDER / "ingest.toml"

#: The oldest that is still maintained, and the newest.
VERSIONS: Final = ("1.33", "1.37")

Json = dict[str, Any]


def manifests() -> Iterator[Json]:
    """Yield every manifest that the kustomization names."""
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        yield from yaml.safe_load_all((FOLDER / name).read_text())


def manifest(kind: str) -> Json:
    """Return the one of this kind."""
    (found,) = (one for one in manifests() if one["kind"] == kind)
    return found


def pods() -> list[Json]:
    """Return what the deployment's and the nightly job's pods are to be."""
    nightly = manifest("CronJob")["spec"]["jobTemplate"]["spec"]
    templates = (manifest("Deployment")["spec"]["template"], nightly["template"])
    return [template["spec"] for template in templates]


def options(command: str) -> set[str]:
    """Return the options that a command of ours takes."""
    return {option for each in cli.commands[command].params for option in each.opts}


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """The settings that the cluster's configuration makes, with a database folder that is here."""
    return load(CONFIG, {"database.url": str(tmp_path / "ingest.db")}, {}).settings


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid(version: str) -> None:
    """By Kubernetes' own schemas, strictly: no key that it does not know."""
    for one in manifests():
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here")
def test_the_kustomization_is_valid() -> None:
    """Put together by kubectl, everything is in one namespace, and valid still."""
    made = subprocess.run(
        ["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=True
    )
    rendered = list(yaml.safe_load_all(made.stdout))
    assert {one["kind"] for one in manifests()} | {"ConfigMap"} == {one["kind"] for one in rendered}
    for one in rendered:
        kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
        assert one["metadata"].get("namespace", "ingest") == "ingest"


def test_the_configuration_is_one(configured: Settings) -> None:
    """It loads, its database is on the volume, and only those who show a token get in."""
    (container,) = pods()[0]["containers"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert configured.auth.require == "always"
    assert configured.log.format == "json"
    database = tomllib.loads(CONFIG.read_text())["database"]["url"]
    assert str(Path(database).parent) in mounts
    environ = {each["name"]: each["value"] for each in container["env"]}
    assert environ["INGEST_CONFIG"] == "/etc/ingest/ingest.toml"
    assert "/etc/ingest" in mounts


def test_a_pod_may_take_as_long_to_end_as_the_service(configured: Settings) -> None:
    """Else the node would kill it while jobs wind down."""
    longest_s = configured.server.shutdown_grace_s + BEYOND_GRACE_S + LAST_ANSWERS_S
    assert pods()[0]["terminationGracePeriodSeconds"] > longest_s


def test_the_database_never_has_two_owners() -> None:
    """One pod, and a roll-out ends it before it starts the next."""
    spec = manifest("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_probes_ask_for_what_there_is(settings: Settings) -> None:
    """Their paths are routes, and each says what the probe is for."""
    (container,) = pods()[0]["containers"]
    probes = {
        name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    paths = {resource.canonical for resource in create_app(settings).router.resources()}
    assert {probe["path"] for probe in probes.values()} <= paths


def test_there_is_one_port(configured: Settings) -> None:
    """The service listens where the probes, the Service and the nightly job look for it."""
    (container,) = pods()[0]["containers"]
    (port,) = container["ports"]
    assert port == {"name": "http", "containerPort": configured.server.port}
    service = manifest("Service")
    (exposed,) = service["spec"]["ports"]
    assert (exposed["port"], exposed["targetPort"]) == (configured.server.port, "http")
    (nightly,) = pods()[1]["containers"]
    url = f"--url=http://{service['metadata']['name']}:{exposed['port']}"
    assert url in nightly["args"]
    assert service["metadata"]["name"] in configured.server.allowed_hosts


def test_the_commands_are_ours() -> None:
    """Each container runs a command that there is, with options that it takes."""
    for pod in pods():
        (container,) = pod["containers"]
        command, *flags = container["args"]
        assert {flag.partition("=")[0] for flag in flags} <= options(command)
        assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0


def test_the_nightly_job_waits_and_fails_honestly() -> None:
    """It waits for the end, is not tried again, never runs twice, and not for ever."""
    spec = manifest("CronJob")["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    job = spec["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] > 0
    pod = pods()[1]
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["args"][:2] == ["sync", "--wait"]


def test_no_pod_can_do_more_than_it_must() -> None:
    """No root, no privileges, no writable system, no account, no variables of the Service."""
    for pod in pods():
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "limits" in container["resources"]
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert "emptyDir" in volumes[mounts["/tmp"]]  # noqa: S108 - what is unpacked goes there
        assert set(mounts.values()) == set(volumes)


def test_the_secrets_come_from_files() -> None:
    """No secret is in a manifest, nor in an environment: only the paths of files."""
    (container,) = pods()[0]["containers"]
    secrets = [each for each in container["env"] if "TOKEN" in each["name"]]
    assert all(each["name"].endswith("_FILE") for each in secrets)
    assert {each["value"].rpartition("/")[0] for each in secrets} == {"/run/secrets/ingest"}
    assert "Secret" not in {one["kind"] for one in manifests()}
