"""A container engine of a test's own: a daemon in a temporary directory, and an image made of this machine's programs.

The image holds what real bash is compared with: the same shells, coreutils and git, and Python to execute.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from toolsim.shell import container, toolbox
from toolsim.shell.userland import Image

NAME = "deploysim-tests:latest"
PYTHON = Path("/usr/bin/python3")


def reason_against() -> str | None:
    """Why no engine can be started here."""
    if os.geteuid() != 0:
        return "a container engine is started by root only"
    if shutil.which("dockerd") is None:
        return "no container engine on this machine (Debian: apt-get install docker.io)"
    return None


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """Start an engine, point DOCKER_HOST to it and give the name of an image; skip where there is none to start."""
    if (reason := reason_against()) is not None:
        pytest.skip(reason)
    before = os.environ.get("DOCKER_HOST")
    with tempfile.TemporaryDirectory(prefix="dk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        address = f"unix://{base}/s"
        with (base / "log").open("wb") as log:
            daemon = subprocess.Popen(
                ["dockerd", "--data-root", base / "data", "--exec-root", base / "exec", "-H", address, "--pidfile",
                 base / "pid", "--iptables=false", "--bridge=none"],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            os.environ["DOCKER_HOST"] = address
            container._client.cache_clear()
            _ready(daemon, base)
            _make_image(base)
            yield NAME
        finally:
            container._client.cache_clear()
            os.environ.pop("DOCKER_HOST")
            if before is not None:
                os.environ["DOCKER_HOST"] = before
            daemon.terminate()
            daemon.wait(30)


def _ready(daemon: subprocess.Popen[bytes], base: Path) -> None:
    for _ in range(150):
        with contextlib.suppress(docker.errors.DockerException), contextlib.closing(docker.from_env()) as client:
            client.ping()
            return
        if daemon.poll() is not None:
            break
        time.sleep(0.2)
    pytest.skip(f"a container engine does not start here: {(base / 'log').read_text()[-400:]}")


def _make_image(base: Path) -> None:
    """Import the sandbox's toolbox as a root of its own, its programs where a machine has them, and Python."""
    box, root = toolbox.build(base / "toolbox"), base / "root"
    shutil.copytree(box.root / "usr", root / "usr", symlinks=True, ignore=shutil.ignore_patterns("toolbox"))
    for program in (box.root / "usr/lib/toolbox/real").iterdir():
        shutil.copy2(program, root / "usr/bin")
    (root / "usr/bin/sh").symlink_to("dash")
    for name, target in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
        (root / name).symlink_to(target)
    for name in ("etc", "tmp", "proc", "sys", "dev", "run", "var", "root", "home", "opt"):
        (root / name).mkdir()
    if PYTHON.exists():
        _add_python(root, PYTHON.resolve())
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        tar.add(root, ".")
    whole.seek(0)
    with contextlib.closing(docker.from_env()) as client:
        client.api.import_image_from_data(whole.getvalue(), repository=NAME.partition(":")[0], tag="latest")


def _add_python(root: Path, program: Path) -> None:
    shutil.copy2(program, root / "usr/bin")
    (root / "usr/bin/python3").symlink_to(program.name)
    library = f"/usr/lib/{program.name}"
    shutil.copytree(
        library, root / library[1:], ignore=shutil.ignore_patterns("__pycache__", "config-*", "test"),
        ignore_dangling_symlinks=True, dirs_exist_ok=True,
    )  # fmt: skip
    extensions = Path(library, "lib-dynload").glob("*.so")
    for needed in toolbox.libraries([program, *extensions]):
        place = root / ("usr" + str(needed) if str(needed).startswith("/lib") else str(needed)[1:])
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(needed, place)


def image(*executed: str) -> Image:
    """The image as the engine takes it."""
    return Image(NAME, executed)
