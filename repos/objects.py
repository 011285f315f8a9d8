"""Objects of one git directory by id: a `git cat-file --batch` process that stays, and a one-off stream for many."""

from __future__ import annotations

import os
import subprocess
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from repos.errors import MissingObject, RepositoryError
from repos.git import command, environment

CACHE_BYTES = 64 << 20


class ObjectReader:
    """Reads objects by id. Safe for threads (one read at a time) and after a fork; keeps recent small ones in memory.

    Raises:
        MissingObject: the repository lacks the object (said by `read`).
        RepositoryError: git cannot be run or ended.
    """

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._recent: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._bytes = 0

    def read(self, oid: str) -> tuple[str, bytes]:
        """The type (`blob`, `tree`, `commit`, `tag`) and content of an object given by its full id."""
        with self._lock:
            found = self._recent.get(oid)
            if found is not None:
                self._recent.move_to_end(oid)
                return found
            found = self._ask(oid)
            self._keep(oid, found)
            return found

    def close(self) -> None:
        """End the process; the next read starts another."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                _stop(process, self._owner)

    def _ask(self, oid: str) -> tuple[str, bytes]:
        process = self._running()
        if process.stdin is None or process.stdout is None:  # pragma: no cover  both are pipes
            raise RepositoryError("git cat-file has no pipes")
        try:
            process.stdin.write(oid.encode("ascii") + b"\n")
            process.stdin.flush()
            return _receive(process.stdout, oid, self.git_dir)
        except (OSError, EOFError) as error:
            self._process = None
            _stop(process, self._owner)
            raise RepositoryError(f"git cat-file ended while reading {oid} of {self.git_dir}") from error

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid():
            self._process = start(self.git_dir, "cat-file", "--batch")
            self._owner = os.getpid()
            weakref.finalize(self, _stop, self._process, self._owner)
        return self._process

    def _keep(self, oid: str, found: tuple[str, bytes]) -> None:
        size = len(found[1])
        if size > CACHE_BYTES // 16:
            return
        self._recent[oid] = found
        self._bytes += size
        while self._bytes > CACHE_BYTES:
            _, (_, dropped) = self._recent.popitem(last=False)
            self._bytes -= len(dropped)


def stream(git_dir: Path, oids: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """Objects by id in the order given, `None` where the repository lacks one; fast for thousands.

    Raises:
        RepositoryError: git cannot be run or ended early.
    """
    process = start(git_dir, "cat-file", "--batch", "--buffer")
    feeder = threading.Thread(target=_feed, args=(process.stdin, oids), daemon=True)
    feeder.start()
    try:
        if process.stdout is None:  # pragma: no cover  it is a pipe
            raise RepositoryError("git cat-file has no pipes")
        for oid in oids:
            try:
                yield oid, _receive(process.stdout, oid, git_dir)[1]
            except MissingObject:
                yield oid, None
            except (OSError, EOFError) as error:
                raise RepositoryError(f"git cat-file ended while reading {oid} of {git_dir}") from error
    finally:
        process.kill()
        feeder.join()
        _stop(process, os.getpid())


def check(git_dir: Path, names: Sequence[str]) -> list[tuple[str, str] | None]:
    """Object id and type for each name that git understands (`<id>:<path>`, abbreviations); `None` if there is none.

    Names with line breaks have none. Raises RepositoryError where git fails.
    """
    given = "".join((name if not set("\n\r\0") & set(name) else "-") + "\n" for name in names)
    process = start(git_dir, "cat-file", "--batch-check=%(objectname) %(objecttype)", "--buffer")
    output, _ = process.communicate(given.encode("utf-8", "surrogateescape"))
    lines = output.decode("utf-8", "surrogateescape").splitlines()
    if process.returncode != 0 or len(lines) != len(names):
        raise RepositoryError(f"git cat-file answered {len(lines)} of {len(names)} names on {git_dir}")
    found: list[tuple[str, str] | None] = []
    for line in lines:
        oid, _, kind = line.partition(" ")
        found.append((oid, kind) if kind in ("blob", "tree", "commit", "tag") and len(oid) >= 40 else None)
    return found


def start(git_dir: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A git command with pipes for input and output.

    Raises:
        RepositoryError: git cannot be run.
    """
    try:
        return subprocess.Popen(
            command(git_dir, *arguments), env=environment(), cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise RepositoryError(f"git cannot be run: {error}") from error


def _receive(source: IO[bytes], oid: str, git_dir: Path) -> tuple[str, bytes]:
    head = source.readline().split()
    if not head:
        raise EOFError
    if len(head) < 3:
        raise MissingObject(f"{git_dir} lacks the object {oid}")
    size = int(head[2])
    body = source.read(size)
    if len(body) != size or source.read(1) != b"\n":
        raise EOFError
    return head[1].decode("ascii"), body


def _feed(sink: IO[bytes] | None, oids: Sequence[str]) -> None:
    if sink is None:  # pragma: no cover  it is a pipe
        return
    try:
        sink.write("".join(f"{oid}\n" for oid in oids).encode("ascii"))
        sink.close()
    except OSError:  # the reader went away first
        return


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the process and free its pipes, in the process that started it."""
    if owner != os.getpid():
        return
    for pipe in (process.stdin, process.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:
            continue
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
