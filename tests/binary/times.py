"""``scripts/build --times``: what the executable takes, beside the package run by Python."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

RUNS: Final = 9


def version_s(program: Sequence[str]) -> float:
    """Return how long the shortest command takes."""
    began = time.perf_counter()
    subprocess.run([*program, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def ready_s(program: Sequence[str], folder: Path) -> float:
    """Return how long the service takes until it listens, with a database that is there."""
    command = [*program, "serve", "--port", "0", "--database", str(folder / "ingest.db")]
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        for line in service.stderr:
            if "service ready" in line:
                break
        took_s = time.perf_counter() - began
        service.terminate()
        service.stderr.read()
    return took_s


def main() -> None:
    """Measure in turns, so that what else the machine does falls on both, and print the medians."""
    executable = Path(os.environ["PROJECT_PROGRAM"])
    programs = {
        "executable": [str(executable)],
        "executable, unpacked to memory": [
            *("env", "TMPDIR=/dev/shm"),
            str(executable),
        ],
        "python -m ingest": [sys.executable, "-m", "ingest"],
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(RUNS + 1):
            for name, program in programs.items():
                took[name].append((version_s(program), ready_s(program, Path(folder))))
    load = os.getloadavg()[0]
    print(f"{executable}: {executable.stat().st_size / 1e6:.0f} MB; load {load:.1f}")
    for name, runs in took.items():
        version, ready = (
            statistics.median(column) * 1000 for column in zip(*runs[1:], strict=True)
        )
        print(f"{name}: --version {version:.0f} ms, serve until ready {ready:.0f} ms")


if __name__ == "__main__":
    main()
