"""The database of recorded pairs of call and result: exact keys in SQLite, words in a lexical index beside the file.

Only what a recording holds can be added (`recorded_calls`); answers of a simulator have no way in. A pair's identity
is its content, so adding twice adds nothing. Request and response are kept once per content and file, compressed.

A database that grows beyond `FILE_PAIRS` goes on in files beside the first (`calls.2.db`, `calls.3.db`, ...), so that
what is written at random places stays small. A session is in one of them; all of them are searched as one.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType

import sqlite_utils

from toolsim.callfile import CallFile
from toolsim.callschema import DIGEST_BYTES, READING_KIB, WRITING_KIB, State
from toolsim.errors import CallDatabaseError
from toolsim.lexical import Document, Filters, LexicalIndex
from toolsim.recordedcalls import NAME_BYTES, Prepared, RecordedCall, Row, batches, storable
from toolsim.sqlitefile import writing

FILE_PAIRS = 1_000_000
"""A file that has so many pairs takes no new session."""
_OPEN = 2.0


class CallDatabase:
    """A pair database. Use as a context manager, or call `close`. One writer at a time, any number of readers.

    Raises:
        CallDatabaseError: the file is missing (with `create=False`), locked, of another program or version, or torn;
            said by every method that touches it.
    """

    def __init__(self, path: Path, *, create: bool = True, file_pairs: int = FILE_PAIRS) -> None:
        self.path = Path(path)
        self._create = create
        self._file_pairs = file_pairs
        self._lock = threading.RLock()
        self._opened: list[CallFile] = []
        self._indexes: dict[bool, LexicalIndex] = {}

    def __enter__(self) -> CallDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close files and index."""
        with self._lock:
            for file in self._opened:
                file.close()
            self._opened = []
            self._indexes = {}

    def add(self, pairs: Iterable[RecordedCall]) -> int:
        """Keep recorded pairs; returns how many are new. What was kept when an error ends it stays."""
        added = 0
        with self._lock, self._named(), closing(batches(pairs)) as waiting:
            self._files()[-1].hold(WRITING_KIB)
            for batch in waiting:
                if batch is not None:
                    added += self._keep(batch, waiting)
        return added

    def exact(
        self, key: str, *, repo: str | None = None, before: float | None = None, not_lineage: str | None = None,
        limit: int | None = None,
    ) -> tuple[RecordedCall, ...]:  # fmt: skip
        """The pairs whose `call_key` is `key`, by time, then identity; with `before` only those of an earlier time,
        with `limit` no more than the latest so many.
        """
        given = {
            "exact": bytes.fromhex(key)[:NAME_BYTES], "repo": _known(repo), "before": before,
            "lineage": _known(not_lineage),
        }  # fmt: skip
        conditions = {name: value for name, value in given.items() if value is not None}
        with self._lock, self._named():
            found = [hit for file in self._files() for hit in file.exact(conditions, -1 if limit is None else limit)]
            latest = [number for _, number in sorted(found, reverse=True)[:limit]]
            pairs = self._read(latest, {})
        return tuple(pairs[number] for number in reversed(latest) if number in pairs)

    def search(  # noqa: PLR0913  the conditions of a search, all by name
        self,
        text: str,
        *,
        tool: str | None = None,
        repo: str | None = None,
        before: float | None = None,
        not_lineage: str | Sequence[str] | None = None,
        limit: int = 8,
        responses: bool = False,
        undated: bool = False,
    ) -> tuple[RecordedCall, ...]:  # fmt: skip
        """The pairs whose arguments share most words with `text`, best first, ties by key.

        `before` keeps pairs of an earlier recorded time (Unix seconds), with `undated` those without time too;
        `not_lineage` (one or several) leaves out a session with all that shares its history; `responses` also looks
        into results.
        """
        if limit < 1:
            return ()
        left_out = (not_lineage,) if isinstance(not_lineage, str) else tuple(not_lineage or ())
        filters = Filters(_known(tool), _known(repo), before, tuple(map(storable, left_out)), undated)
        with self._lock, self._named():
            index = self._current_index(responses=responses)
            found = index.search(text, filters, limit, responses=responses)
            pairs = self._read([number for number, _ in found], dict(found))
        return tuple(pairs[number] for number, _ in found if number in pairs)

    def origin(self, session: str, position: int) -> tuple[str, float | None] | None:
        """Lineage and time of the pair at a place of a session."""
        with self._lock, self._named():
            return next((found for file in self._files() if (found := file.origin(session, position))), None)

    def count(self) -> int:
        """The number of pairs."""
        with self._lock, self._named():
            return sum(file.pairs for file in self._files())

    def hash(self) -> str:
        """A name for the set of all pairs, whatever the order they came in and the files they are in: hex SHA-256 of
        the sum of the SHA-512 of their identities. It takes no longer with more pairs.
        """
        with self._lock, self._named():
            total = sum(file.digest for file in self._files()) % (1 << 8 * DIGEST_BYTES)
        return hashlib.sha256(b"calls" + total.to_bytes(DIGEST_BYTES, "big")).hexdigest()

    def file_under(self, repos: Mapping[str, str]) -> int:
        """File the pairs of sessions whose recording names no repository under `owner/name`, by session id.

        Identities do not change, so adding the same pairs again adds nothing. Returns how many pairs moved.
        """
        moved = 0
        with self._lock, self._named():
            for file in self._files():
                with writing(file.db):
                    here = sum(file.file_under(storable(session), storable(repo)) for session, repo in repos.items())
                    if here:
                        file.note_change()
                moved += here
        return moved

    def purge(self, session_id: str) -> int:
        """Remove a session's pairs for good, and every request and response that no other pair has; returns how many.

        Its file is rewritten, so that nothing of them stays in free pages, and the index is made anew when next used.
        """
        removed = 0
        with self._lock, self._named():
            for file in self._files():
                file.db.execute("pragma secure_delete=on")
                with writing(file.db):
                    here = file.remove(storable(session_id))
                    file.note_change()
                for responses in (False, True):
                    self._index(responses=responses).close()
                    LexicalIndex.remove(self._index(responses=responses).directory)
                self._indexes = {}
                if here:
                    file.db.vacuum()
                file.db.execute("pragma wal_checkpoint(truncate)")
                removed += here
        return removed

    def refresh(self) -> None:
        """Bring the index up to date now instead of at the next search."""
        with self._lock, self._named():
            self._current_index(responses=False)

    @property
    def db(self) -> sqlite_utils.Database:
        """The first file, made or brought to the current version when first used."""
        with self._lock, self._named():
            return self._files()[0].db

    def _index(self, *, responses: bool) -> LexicalIndex:
        """The index without the words of results, or the one with them, which is made when first wanted."""
        if responses not in self._indexes:
            directory = self.path.with_suffix(".results.index" if responses else ".index")
            self._indexes[responses] = LexicalIndex(directory, responses=responses)
        return self._indexes[responses]

    def _current_index(self, *, responses: bool) -> LexicalIndex:
        index = self._index(responses=responses)
        index.update(self._state(), partial(self._documents, responses=responses))
        return index

    def _state(self) -> State:
        files = self._files()
        return State(
            files[0].id, sum(file.purges for file in files), max(file.last for file in files),
            sum(file.pairs for file in files),
        )  # fmt: skip

    def _documents(self, after: int, *, responses: bool) -> Iterator[Document]:
        return chain.from_iterable(file.documents(after, responses=responses) for file in self._files())

    def _files(self) -> list[CallFile]:
        """All files, the first one first; those that another process began are opened."""
        if not self._opened:
            self._opened.append(CallFile(self.path, create=self._create))
        listed = self._opened[0].db.execute("select number, id from parts order by number").fetchall()
        for number, name in listed[len(self._opened) - 1 :]:
            path = self._path_of(number)
            if not path.exists():
                raise CallDatabaseError(f"{path} is missing, a file of the pair database {self.path}")
            file = CallFile(path, create=False)
            if file.id != name:
                file.close()
                raise CallDatabaseError(f"{path} is no file of the pair database {self.path}")
            self._opened.append(file)
        return self._opened

    def _path_of(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")

    def _grow(self) -> None:
        """Begin another file, if no other process did; the full one is written out."""
        first = self._files()[0]
        self._opened[-1].db.execute("pragma wal_checkpoint(truncate)")
        self._opened[-1].hold(READING_KIB)
        self._opened[-1].db.execute("pragma shrink_memory")
        with writing(first.db):
            files = self._files()
            if files[-1].pairs < self._file_pairs:
                return
            number = len(files) + 1
            file = CallFile(self._path_of(number), create=True)
            try:
                if file.pairs:  # an empty one is what an interrupted beginning left
                    raise CallDatabaseError(f"{file.path} is in the way: it is no file of {self.path}")
                file.begin_at(max(other.given for other in files) + 1)
                first.db.execute("insert into parts (number, id) values (?, ?)", [number, file.id])
            finally:
                file.close()
        self._files()[-1].hold(WRITING_KIB)

    def _keep(self, batch: Prepared, waiting: Iterator[Prepared | None]) -> int:
        """Keep a batch and those that follow in one transaction, for a short time, or until the last file is full."""
        if self._files()[-1].pairs >= self._file_pairs:
            self._grow()
        until = time.monotonic() + _OPEN
        with self._adding() as keep:
            added = keep(batch)
            while time.monotonic() < until and self._opened[-1].pairs < self._file_pairs:
                following = next(waiting, None)
                if following is None:
                    break
                added += keep(following)
        return added

    @contextmanager
    def _adding(self) -> Iterator[Callable[[Prepared], int]]:
        """One transaction of all files that are written; the first file's lock is that of all."""
        with ExitStack() as stack, ThreadPoolExecutor(1) as packer:
            stack.enter_context(writing(self._files()[0].db))
            files = self._files()
            begun = {0}
            place = max(file.given for file in files) + 1

            def keep(batch: Prepared) -> int:
                nonlocal place
                added = 0
                shared = self._shared_out(batch)
                for number, rows in shared.items():
                    if number not in begun:
                        stack.enter_context(writing(files[number].db))
                        begun.add(number)
                    here = files[number].keep(Prepared(rows, batch.bodies, len(shared) == 1), place, packer)
                    added, place = added + here, place + here
                return added

            try:
                yield keep
                for file in files:
                    file.settle()
            except BaseException:
                for file in files:
                    file.forget()
                raise

    def _shared_out(self, batch: Prepared) -> dict[int, dict[bytes, Row]]:
        """The rows by the number of their file: where their session is, else the last."""
        last = len(self._opened) - 1
        sessions = list({row[2] for row in batch.rows.values()})
        place = {name: n for n, file in enumerate(self._opened[:last]) for name in file.sessions(sessions)}
        if not place:
            return {last: batch.rows}
        shared: dict[int, dict[bytes, Row]] = {}
        for key, row in batch.rows.items():
            shared.setdefault(place.get(row[2], last), {})[key] = row
        return shared

    def _read(self, numbers: Sequence[int], scores: Mapping[int, float]) -> dict[int, RecordedCall]:
        """The numbered pairs that are there; the latest file that can have a number is asked first."""
        found: dict[int, RecordedCall] = {}
        for file in reversed(self._opened):
            asked = [number for number in numbers if number >= file.first and number not in found]
            found |= file.read(asked, scores) if asked else {}
        return found

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CallDatabaseError(f"cannot use the pair database {self.path}: {error}") from error
        except OSError as error:
            raise CallDatabaseError(f"cannot use the pair database {self.path}: {error.strerror or error}") from error


def _known(text: str | None) -> str | None:
    """A condition as the columns spell it."""
    return None if text is None else storable(text)
