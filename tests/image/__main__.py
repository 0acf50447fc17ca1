"""``scripts/image``: build the image without an engine, and try what came of it.

Each stage is a folder with a system of its own, made by debootstrap in the place of the base
image; RUN is a chroot, COPY a copy. What came of it then runs as a container would: as its user,
with a read-only root, a /tmp and a volume, and is asked, given a token and stopped.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.image.containerfile import Instruction, Stage, stages
from tests.support.processes import ROOT

CONTAINERFILE: Final = ROOT / "config" / "container" / "Containerfile"

#: What the base images have that a bare system has not: Python, with its shared library.
PYTHON: Final = ("python3", "python3-venv", "libpython3-dev")

#: The certificates that this machine trusts, for it may reach its registries through another's.
TRUSTED: Final = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
TRUSTED_THERE: Final = "/trusted.crt"

PATIENCE_S: Final = 60.0
READY_WITHIN_S: Final = 20.0

#: Nothing to do where there is no engine.
TOLD: Final = frozenset({"LABEL", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "USER", "ENV"})


def say(words: str) -> None:
    """Tell what is done."""
    print(words, flush=True)


def in_root(root: Path, path: str, workdir: str = "/") -> Path:
    """Return where a path of the image is here."""
    return root / os.path.normpath(os.path.join(workdir, path)).lstrip("/")  # noqa: PTH118


class Build:
    """The stages, each in its folder."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = base
        self._roots: dict[str, Path] = {}

    def stage(self, stage: Stage, number: int) -> Path:
        """Carry out a stage; return its root."""
        root = self._folder / f"stage-{number}"
        say(f"FROM {stage.base}: a bare {stage.base.rpartition(':')[2]} in its place")
        subprocess.run(["cp", "--archive", self._base, root], check=True)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        shutil.copy(TRUSTED, root / TRUSTED_THERE.lstrip("/"))
        self._roots[stage.name] = root
        if "/python:" in stage.base:
            chroot(root, ["apt-get", "install", "--yes", "--no-install-recommends", *PYTHON])
        workdir = "/"
        for one in stage.instructions:
            if one.word == "WORKDIR":
                workdir = one.rest
                in_root(root, workdir).mkdir(parents=True, exist_ok=True)
            elif one.word == "RUN":
                say(f"RUN {one.rest}")
                chroot(root, ["sh", "-c", f"cd {workdir} && {one.rest}"])
            elif one.word == "COPY":
                self._copy(one, root, workdir)
            elif one.word not in TOLD | {"ENTRYPOINT", "CMD"}:
                raise SystemExit(f"image: {one.word} is not known here")
        return root

    def _copy(self, one: Instruction, root: Path, workdir: str) -> None:
        say(f"COPY {' '.join([*one.options, one.rest])}")
        *sources, target = one.rest.split()
        origin = ROOT
        for option in one.options:
            origin = self._roots[option.removeprefix("--from=")]
        into = in_root(root, target, workdir)
        if target.endswith("/"):
            into.mkdir(parents=True, exist_ok=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        for source in sources:
            # A folder's content goes into the folder that is named, as with an engine.
            path = in_root(origin, source)
            what = [f"{path}/."] if path.is_dir() else [str(path)]
            if path.is_dir():
                into.mkdir(exist_ok=True)
            subprocess.run(["cp", "--archive", *what, into], check=True)


def chroot(root: Path, command: Sequence[str]) -> None:
    """Run a command of the build in a root, quietly unless it fails."""
    done = subprocess.run(
        ["chroot", root, *command],
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        | {"DEBIAN_FRONTEND": "noninteractive"}
        | {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
        | {"PIP_CERT": TRUSTED_THERE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"image: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}")


class Container:
    """The image at work, as `podman run --read-only --tmpfs /tmp` would have it."""

    def __init__(self, image: Stage, root: Path) -> None:
        self._image, self._root = image, root
        (command,) = image.only("ENTRYPOINT").exec_form
        self._entry = command
        self.process = self._start(image.only("CMD").exec_form)

    def _within(self) -> list[str]:
        environ = [f"{name}={value}" for name, value in self._image.environ().items()]
        user = self._image.only("USER").rest
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["env", "-i", path, *environ, "chroot", f"--userspec={user}", str(self._root)]

    def _start(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        root, volume = self._root, in_root(self._root, self._image.only("VOLUME").exec_form[0])
        script = (
            f"mount --bind {root} {root} && mount --bind {volume} {volume} && "
            f"mount -o remount,bind,ro {root} && mount -t tmpfs none {root}/tmp && "  # noqa: S108
            f'mount --bind /proc {root}/proc && mount --bind /dev {root}/dev && exec "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *self._within(), self._entry]
        return subprocess.Popen([*command, *arguments])

    def execute(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command beside it, as `podman exec` would."""
        enter = ["nsenter", f"--target={self.process.pid}", "--mount"]
        return subprocess.run(
            [*enter, *self._within(), *command], capture_output=True, text=True, check=False
        )

    def is_healthy(self) -> bool:
        """Run the image's own check."""
        check = self._image.only("HEALTHCHECK").rest.removeprefix("CMD ")
        return self.execute(*json.loads(check)).returncode == 0

    def stop(self) -> int:
        """Stop it by the image's own signal; return its exit code."""
        self.process.send_signal(getattr(signal, self._image.only("STOPSIGNAL").rest))
        return self.process.wait(PATIENCE_S)


def expect(what: str, *, holds: bool) -> None:
    """Say that something holds, or end."""
    if not holds:
        raise SystemExit(f"image: NOT so: {what}")
    say(f"ok: {what}")


def run(image: Stage, root: Path) -> None:
    """Try the image."""
    say("The image at work")
    container = Container(image, root)
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not container.is_healthy() and time.monotonic() < deadline:
            time.sleep(0.2)
        expect("its own HEALTHCHECK finds it healthy", holds=container.is_healthy())
        pid = container.process.pid
        status = Path(f"/proc/{pid}/status").read_text()
        user = image.only("USER").rest.partition(":")[0]
        expect(f"it runs as {user}", holds=f"Uid:\t{user}\t{user}\t" in status)
        written = container.execute("touch", "/usr/local/bin/x").returncode
        expect("its root is read-only", holds=written != 0)
        checked = container.execute("ingest", "db", "check")
        expect(f"ingest db check: {checked.stdout.strip()}", holds=checked.returncode == 0)
        refused = container.execute("ingest", "jobs")
        expect(f"without a token: {refused.stderr.strip()[:60]}…", holds=refused.returncode == 1)
        made = container.execute("ingest", "token", "new", "me", "--scope", "ingest:operate")
        token = container.execute(
            "env", f"INGEST_TOKEN={made.stdout.strip()}", "ingest", "jobs", "--json"
        )
        expect(f"with one: {token.stdout[:60]}…", holds=token.returncode == 0)
        expect("it stops by its STOPSIGNAL with 0", holds=container.stop() == 0)
    finally:
        if container.process.poll() is None:
            container.process.kill()
            container.process.wait()


def main() -> int:
    """Build, and try what came of it."""
    parser = argparse.ArgumentParser(prog="scripts/image", description=__doc__)
    parser.add_argument("--base", type=Path, help="a folder that debootstrap has made")
    base = parser.parse_args().base
    if os.geteuid() != 0 or (base is None and shutil.which("debootstrap") is None):
        raise SystemExit("image: this is for root, and needs debootstrap (apt-get install it)")
    with tempfile.TemporaryDirectory(prefix="ingest-image-") as folder:
        if base is None:
            base = Path(folder, "base")
            say("debootstrap: a bare system in the place of the base images")
            make = ["debootstrap", "--variant=minbase", "bookworm", str(base)]
            subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        ).stdout.strip()
        described = stages(CONTAINERFILE, COMMIT=commit)
        build = Build(Path(folder), base)
        roots = [build.stage(stage, number) for number, stage in enumerate(described)]
        run(described[-1], roots[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
