"""Which connections a process has, as the kernel tells."""

from pathlib import Path
from typing import Final

_ESTABLISHED: Final = "01"


def established(pid: int, port: int) -> int:
    """Return how many open connections a process has to a port of this machine."""
    ours = _sockets(pid)
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_, inode = line.split()[:10]
        to_port = int(remote.rpartition(":")[2], 16) == port
        count += to_port and state == _ESTABLISHED and inode in ours
    return count


def _sockets(pid: int) -> set[str]:
    found = set()
    for path in Path("/proc", f"{pid}", "fd").iterdir():
        try:
            name = str(path.readlink())
        except OSError:
            continue  # closed meanwhile
        if name.startswith("socket:["):
            found.add(name.removeprefix("socket:[").removesuffix("]"))
    return found
