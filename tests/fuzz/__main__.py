"""Hold a running service against its OpenAPI document: ``scripts/fuzz [--quick] [--seed S]``.

The exit code is 1 if any answer was not as it is described, if the log tells of anything that a
request must not cause, or if the service did not end in order and leave a sound database.
"""

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ingest.bank.sample import make_sample_bank
from tests.fuzz.service import Service, faults_of

_ITEMS: Final = 60
_BAD: Final = 13

#: Cases an operation in the phase that makes most of them.
_MANY: Final = 330
_FEW: Final = 15

#: A run that takes longer hangs.
_WITHIN_S: Final = 1800.0

_HERE: Final = Path(__file__).parent


@frozen(kw_only=True)
class Run:
    """One way to talk to the service."""

    name: str
    #: Refusals come as text, or as problem documents: each is held against what is said of it.
    accept: str
    #: Whether the service asks for a token.
    takes_token: bool = False
    #: Whether one is shown.
    shows_token: bool = False
    phases: str = "examples,coverage,fuzzing,stateful"


_PROBLEMS: Final = "application/problem+json"

RUNS: Final = (
    Run(name="open", accept="*/*"),
    Run(name="with a token", accept=_PROBLEMS, takes_token=True, shows_token=True),
    Run(name="without its token", accept=_PROBLEMS, takes_token=True, phases="examples,coverage"),
)


def main() -> int:
    """Run what the arguments ask for; return the exit code."""
    arguments = _arguments()
    examples = _FEW if arguments.quick else _MANY
    print(f"seed {arguments.seed}", flush=True)
    faults: list[str] = []
    cases = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ingest-fuzz-") as place:
        bank = Path(place) / "bank"
        make_sample_bank(bank, items=_ITEMS, bad=_BAD)
        for run in RUNS:
            folder = Path(place) / run.name
            folder.mkdir()
            with Service(folder, bank, takes_token=run.takes_token) as service:
                made, found = _fuzz(arguments, run, service, folder, examples)
                statuses = Counter(line["status"] for line in service.requests())
            cases += made
            faults += [*found, *faults_of(service)]
            told = ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items()))
            print(f"{run.name}: {made} cases; answers by status: {told}", flush=True)
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{cases} cases in {time.monotonic() - began:.0f} s, {len(faults)} faults")
    return 1 if faults else 0


def _fuzz(
    arguments: argparse.Namespace, run: Run, service: Service, folder: Path, examples: int
) -> tuple[int, list[str]]:
    """Return how many cases there were, and what is wrong."""
    report = folder / "report.json"
    shown = {"Accept": run.accept}
    if run.shows_token:
        shown["Authorization"] = f"Bearer {service.token}"
    command = [
        *(arguments.tool, "--no-color", "--config-file", str(_HERE / "schemathesis.toml")),
        *("run", f"{service.url}/openapi.json", "--seed", str(arguments.seed)),
        *("--max-examples", str(examples), "--report-json-path", str(report)),
        *("--phases", run.phases, *_header_flags(shown)),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_WITHIN_S, cwd=folder
        )
    except subprocess.TimeoutExpired:
        return 0, [f"{run.name}: schemathesis did not end within {_WITHIN_S:g} s"]
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n")
    if not report.exists():
        return 0, [f"{run.name}: schemathesis ended with code {done.returncode}"]
    cases: dict[str, Any] = json.loads(report.read_text())["test_cases"]
    if done.returncode == 0:
        return cases["generated"], []
    return cases["generated"], [f"{run.name}: {cases['unique_failures']} failures, see above"]


def _header_flags(headers: Mapping[str, str]) -> Iterable[str]:
    for name, value in headers.items():
        yield from ("--header", f"{name}: {value}")


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about half a minute")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--tool", required=True, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    arguments.tool = str(arguments.tool.absolute())
    return arguments


if __name__ == "__main__":
    sys.exit(main())
