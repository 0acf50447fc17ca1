"""What is told of the process."""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from ingest.metrics.process import OwnProcess


def test_a_process_is_seen_where_nothing_else_is(tmp_path: Path) -> None:
    """Without /proc/stat, as a hardened unit has it, its start, memory and files are told."""
    (tmp_path / "self").symlink_to("/proc/self")
    registry = CollectorRegistry()
    OwnProcess(proc=str(tmp_path), registry=registry)
    began = registry.get_sample_value("process_start_time_seconds")
    assert began is not None
    ran_s = time.time() - began
    assert time.process_time() - 1 < ran_s < time.clock_gettime(time.CLOCK_BOOTTIME)
    for name in ("resident_memory_bytes", "open_fds", "cpu_seconds_total"):
        assert registry.get_sample_value(f"process_{name}")


def test_the_start_is_that_which_the_library_tells() -> None:
    """Where it can be seen, both agree."""
    library, own = CollectorRegistry(), CollectorRegistry()
    ProcessCollector(registry=library)
    OwnProcess(registry=own)
    name = "process_start_time_seconds"
    theirs, ours = library.get_sample_value(name), own.get_sample_value(name)
    assert theirs is not None
    assert ours is not None
    assert abs(theirs - ours) < 2
