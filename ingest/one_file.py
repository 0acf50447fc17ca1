"""Where the one executable begins.

It is two processes. The first unpacks the libraries into a folder of its own, starts the second,
waits for its end, removes the folder and ends with its exit code. It passes on every signal. The
second is this: it must not outlive the first, nor take one signal for two.
"""

import _thread
import ctypes
import fcntl
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

_PR_SET_PDEATHSIG: Final = 1

#: What the service and the command line act on.
_HEARD: Final = (signal.SIGINT, signal.SIGTERM)

#: How late the first process may pass on a signal that came to both.
PASSED_ON_WITHIN_S: Final = 5.0

#: Its folder is unpacked long before that, so that one nobody has locked is nobody's any more.
UNPACKED_WITHIN_S: Final = 600.0

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Only our own folders have it.
_MARK: Final = Path("ingest", "build.json")


def main() -> None:
    """Settle how the two processes belong together; then run the command line."""
    first = os.getppid()
    die_with(first)
    hear_once(first)
    with suppress(OSError):  # not every file system knows locks
        tidy(Path(sys._MEIPASS))  # type: ignore[attr-defined]  # noqa: SLF001 - PyInstaller's name
    from ingest.cli import main as command  # noqa: PLC0415 - by now nothing can be left behind

    command()


def die_with(parent: int) -> None:
    """Let the kernel kill this process when *parent* ends, or end it if *parent* has."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if _is_gone(parent):
        os._exit(1)


def _is_gone(parent: int) -> bool:
    """Tell whether *parent* ended before the kernel was asked, or was another one from the start.

    An orphan's parent is process 1, or whoever else has taken it in.
    """
    if os.getppid() != parent:
        return True
    own = Path("/proc/self")
    try:
        is_known = int(own.readlink().name) == os.getpid()
    except OSError:
        is_known = False
    if not is_known:
        return False  # no /proc, or that of others: there is nothing else to go by
    try:
        return Path(f"/proc/{parent}/comm").read_bytes() != (own / "comm").read_bytes()
    except OSError:
        return True  # it is hidden, so it is somebody else's


class Origins:
    """Tells a signal that has been asked for from its echo.

    One that is sent to both processes, such as Ctrl-C, or to all of a control group, comes twice:
    from the sender and from the first process, in either order.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, bool]] = Counter()
        self._last_s = -PASSED_ON_WITHIN_S

    def is_new(self, number: int, *, passed_on: bool, now_s: float) -> bool:
        """Take in a signal; return False if it is the echo of one before."""
        if now_s - self._last_s > PASSED_ON_WITHIN_S:
            self._counts.clear()
        self._last_s = now_s
        before = max(self._counts[number, True], self._counts[number, False])
        self._counts[number, passed_on] += 1
        return self._counts[number, passed_on] > before


def hear_once(first: int) -> None:
    """Hand on each signal once, however often it comes. To be called before there are threads.

    Only a thread that waits for signals is told who has sent them, so they are blocked everywhere
    else; whoever has set a handler is called as usual.
    """
    signal.signal(signal.SIGURG, _nothing)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    threading.Thread(target=_listen, args=(first,), name="origins", daemon=True).start()


def _listen(first: int) -> None:
    origins = Origins()
    while True:
        heard = signal.sigwaitinfo(_HEARD)
        passed_on = heard.si_pid == first
        if origins.is_new(heard.si_signo, passed_on=passed_on, now_s=time.monotonic()):
            _deliver(heard.si_signo)


def _deliver(number: int) -> None:
    handler = signal.getsignal(number)
    if handler is signal.SIG_DFL:
        # This thread alone hears it then, and the process ends of it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    elif handler is not signal.SIG_IGN:
        _thread.interrupt_main(signal.Signals(number))
        # That only takes note of it: wake the main thread out of the call it may wait in.
        main_thread = threading.main_thread().ident
        if main_thread is not None:
            signal.pthread_kill(main_thread, signal.SIGURG)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Be a handler, so that the signal interrupts a call."""


def tidy(own: Path) -> int:
    """Remove what executables that were killed had unpacked beside *own*.

    Returns:
        A descriptor: while it is open, *own* is kept by the others.
    """
    keeps = _lock(own)
    for folder in own.parent.glob("_MEI*"):
        with suppress(OSError):
            if folder != own and _is_left_behind(folder):
                shutil.rmtree(folder, ignore_errors=True)
    return keeps


def _lock(folder: Path) -> int:
    opened = os.open(folder, _FOLDER)
    # Where a standard stream is closed, its number would be taken.
    descriptor = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(opened)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def _is_left_behind(folder: Path) -> bool:
    descriptor = os.open(folder, _FOLDER)
    try:
        found = os.fstat(descriptor)
        is_ours = found.st_uid == os.geteuid() and folder.joinpath(_MARK).is_file()
        if not is_ours or time.time() - found.st_mtime < UNPACKED_WITHIN_S:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    return True


if __name__ == "__main__":
    main()
