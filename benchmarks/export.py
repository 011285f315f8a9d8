"""Exports of a run of 1,000 made rollouts: seconds, size and peak memory by format; then opened by Inspect.

    python benchmarks/export.py                 1,000 rollouts of 50 steps
    python benchmarks/export.py --rollouts 200

Each export runs in a process of its own. `inspect view` is asked for its list of logs and for one log; this project's
viewer, on the same store, for its list of rollouts and for one of them. Needs the extras inspect, parquet and view.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from viewer import RUN, TOKEN, make

CLI = [sys.executable, "-c", "from harness.cli import main; main()"]


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds and peak resident MiB of a command."""
    begin = time.perf_counter()
    code = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
    found = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, int(found.stdout.split()[-1]) / 1024


def size(folder: Path) -> float:
    """MB of the files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def first(address: str, opener: urllib.request.OpenerDirector, patience: float = 60.0) -> tuple[float, bytes]:
    """Seconds to a whole answer, tried again until the server listens; and the answer."""
    until = time.perf_counter() + patience
    while True:
        begin = time.perf_counter()
        try:
            with opener.open(address) as answer:
                return time.perf_counter() - begin, answer.read()
        except (urllib.error.URLError, ConnectionError):
            if time.perf_counter() > until:
                raise
            time.sleep(0.1)


def look(logs: Path, store: Path) -> None:
    """Both viewers: from the start of the command to the list, and one rollout."""
    port, opener = free_port(), urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    script = Path(sys.executable).parent / "inspect"
    begin = time.perf_counter()
    server = subprocess.Popen([str(script), "view", "start", "--log-dir", str(logs), "--port", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        root = f"http://127.0.0.1:{port}"
        _, listed = first(f"{root}/api/logs", opener)
        names = [file["name"] for file in json.loads(listed)["files"]]
        print(f"inspect view: list of {len(names)} logs {time.perf_counter() - begin:.1f} s after its start")
        took, body = first(f"{root}/api/logs/{urllib.parse.quote(names[0], safe='')}", opener)
        print(f"inspect view: one log of up to 200 rollouts in {took:.2f} s, {len(body) / 1e6:.1f} MB")
    finally:
        server.terminate()
        server.wait()
    begin = time.perf_counter()
    ours = subprocess.Popen([*CLI, "view", "--store", str(store), "--port", "0", "--token", TOKEN],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    try:
        assert ours.stdout is not None
        address = ours.stdout.readline().strip()
        opener.open(address).read()
        root = address.partition("/?")[0]
        first(f"{root}/run/{RUN}", opener)
        print(f"deploysim view: list of rollouts {time.perf_counter() - begin:.1f} s after its start")
        took, body = first(f"{root}/rollout/{77:020x}", opener)
        print(f"deploysim view: one rollout in {took:.2f} s, {len(body) / 1e6:.1f} MB")
    finally:
        ours.terminate()
        ours.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=1_000)
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "deploysim.db"
        make(store, given.rollouts)
        idle, least = timed([*CLI, "export", "--help"])
        print(f"{given.rollouts} rollouts, store {size(store.parent):.1f} MB; `--help` {idle:.1f} s, {least:.0f} MiB")
        for form in ("atif", "inspect", "parquet"):
            out = Path(folder) / form
            took, peak = timed([*CLI, "export", "--run", RUN, "--format", form, "-o", str(out), "--store", str(store)])
            files = len(list(out.iterdir()))
            print(f"{form:8s} {took:6.1f} s  {files:5d} files  {size(out):7.1f} MB  peak {peak:.0f} MiB")
        from inspect_ai.log import read_eval_log

        begin = time.perf_counter()
        samples = sum(
            len(read_eval_log(str(path)).samples or ()) for path in sorted((Path(folder) / "inspect").iterdir())
        )
        print(f"Inspect's reader: {samples} samples in {time.perf_counter() - begin:.1f} s")
        look(Path(folder) / "inspect", store)


if __name__ == "__main__":
    main()
