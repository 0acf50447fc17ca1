"""What makes the executable's two processes behave as one; the whole is tried in tests/binary."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.one_file import PASSED_ON_WITHIN_S, UNPACKED_WITHIN_S, Origins, tidy
from tests.support.processes import ROOT

INT, TERM = signal.SIGINT, signal.SIGTERM

#: A parent that says its child's number, and a child that asks to die with it, sooner or later.
CHILD = """
import os, sys
from ingest.one_file import die_with
parent = os.getppid() if sys.argv[1] == "sooner" else None
print(os.getpid(), flush=True)
if sys.argv[1] != "alive":
    sys.stdin.read()
die_with(parent or os.getppid())
print("bound", flush=True)
sys.stdin.read()
"""
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("heard", "new"),
    [
        ([(INT, False)], [True]),
        ([(INT, True)], [True]),
        ([(INT, False), (INT, True)], [True, False]),
        ([(INT, True), (INT, False)], [True, False]),
        ([(INT, True), (INT, True)], [True, True]),
        ([(INT, False), (INT, False)], [True, True]),
        ([(INT, False), (INT, True), (INT, True), (INT, False)], [True, False, True, False]),
        ([(INT, False), (INT, False), (INT, True), (INT, True)], [True, True, False, False]),
        ([(INT, False), (TERM, True)], [True, True]),
    ],
)
def test_an_echo_is_told_from_a_second_signal(
    heard: list[tuple[int, bool]], new: list[bool]
) -> None:
    """As often as one sender has sent a signal, so often it was sent."""
    origins = Origins()
    assert [
        origins.is_new(number, passed_on=passed_on, now_s=0.0) for number, passed_on in heard
    ] == new


def test_no_echo_comes_so_late() -> None:
    """Signals that the kernel has made one of are not reckoned up for ever."""
    origins = Origins()
    assert origins.is_new(INT, passed_on=False, now_s=0.0)
    assert origins.is_new(INT, passed_on=True, now_s=PASSED_ON_WITHIN_S + 0.1)


@pytest.mark.parametrize("asks", ["alive", "sooner", "later"])
def test_a_child_does_not_outlive_its_parent(asks: str) -> None:
    """Whether the parent ends after it was bound, before it was, or before it even looked."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD, asks],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        child = int(parent.stdout.readline())
        if asks == "alive":
            assert parent.stdout.readline() == "bound\n"
        parent.kill()
        parent.wait()
        if asks != "alive":
            assert Path(f"/proc/{child}").exists()
            parent.stdin.close()
        # Its end is the end of what it could have written; bound, it would have said so.
        assert parent.stdout.read() == ""


def unpacked(folder: Path, *, age_s: float, mark: bool = True) -> Path:
    """Make a folder as an executable unpacks it."""
    (folder / "ingest").mkdir(parents=True)
    if mark:
        (folder / "ingest" / "build.json").write_text("{}")
    then = time.time() - age_s
    os.utime(folder, (then, then))
    return folder


def test_only_what_nobody_uses_is_removed(tmp_path: Path) -> None:
    """An old folder of ours that nobody holds; no other, and none of another program."""
    old_s = UNPACKED_WITHIN_S + 60
    own = unpacked(tmp_path / "_MEI1", age_s=old_s)
    left = unpacked(tmp_path / "_MEI2", age_s=old_s)
    new = unpacked(tmp_path / "_MEI3", age_s=0)
    strange = unpacked(tmp_path / "_MEI4", age_s=old_s, mark=False)
    held = unpacked(tmp_path / "_MEI5", age_s=old_s)
    link = tmp_path / "_MEI6"
    link.symlink_to(unpacked(tmp_path / "elsewhere", age_s=old_s))
    holder = os.open(held, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_SH)
    kept = tidy(own)
    assert set(tmp_path.iterdir()) == {own, new, strange, held, link, tmp_path / "elsewhere"}
    assert not left.exists()
    os.close(holder)
    # Its own is locked from now on, so that nobody else removes it.
    other = os.open(own, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    os.close(kept)
