"""Named pipes in the place of files."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def pipe_at(path: Path) -> Iterator[None]:
    """Have a pipe in the place of a file.

    A process stands by that lets go whoever opens the pipe: a reader that should not have would
    else wait for ever, and the test with it.
    """
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", 'while : > "$0"; do :; done', str(path)]) as writer:
        try:
            yield
        finally:
            writer.kill()
