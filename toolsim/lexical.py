"""The lexical index of the pair database: which pairs share words with a text, within filters (tantivy).

A directory that can be thrown away at any time: whatever does not agree with the database is made anew. Only word
lists stand in it, no readable pair.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import tantivy

from toolsim.callschema import State
from toolsim.errors import CallDatabaseError
from toolsim.words import LONGEST, excerpt, spelled, terms, text_number

FORM = 3
_HEAP = 256_000_000
_WRITERS = 2
_QUERY_TERMS = 48
_RESPONSE_WEIGHT = 0.3
_LOOK = 128
_STATE = "state.json"
_PLAIN = "plain"
BUDGETS = (20_000, 400_000, float("inf"))
"""In so many pairs the rarest words may stand together that a hit must have one of; each is tried until enough is
found."""
SCORED = 1_000_000
"""In so many pairs the words may stand together that count for a score, from the rarest on: so the work of a search
does not grow with the pairs."""

_Hit: TypeAlias = tuple[float, tantivy.DocAddress]
_Clause: TypeAlias = tuple[int, tantivy.Query]
_Parts: TypeAlias = list[tuple[tantivy.Occur, tantivy.Query]]


@dataclass(frozen=True, slots=True)
class Document:
    """What the index knows of a pair: `seq` is its number in the database, `key` its identity."""

    seq: int
    key: bytes
    tool: str
    repo: str | None
    lineage: str
    at: float | None
    arguments: str
    response: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must fulfil; see `CallDatabase.search`."""

    tool: str | None = None
    repo: str | None = None
    before: float | None = None
    not_lineages: tuple[str, ...] = ()
    undated: bool = False


class LexicalIndex:
    """The index in one directory. Not safe for threads; several processes may use and update it.

    With `responses` it also has the words of results, which cost more than all others.
    """

    def __init__(
        self,
        directory: Path,
        budgets: Sequence[float] = BUDGETS,
        scored: float = SCORED,
        *,
        responses: bool = False,
    ) -> None:
        self.directory = directory
        self._budgets = budgets
        self._scored = scored
        self._responses = responses
        self._index: tantivy.Index | None = None
        self._state: State | None = None

    def close(self) -> None:
        """Let go of the files."""
        self._index = None
        self._state = None

    @staticmethod
    def remove(directory: Path) -> None:
        """Delete the index, if there is one."""
        if directory.exists():
            shutil.rmtree(directory)

    def update(self, wanted: State, documents: Callable[[int], Iterable[Document]]) -> None:
        """Make the index agree with the database; `documents(n)` gives its pairs with numbers above `n`.

        Raises:
            CallDatabaseError: the directory cannot be written.
        """
        if self._index is not None and self._state == wanted:
            return
        try:
            with _locked(self.directory):
                self._update(wanted, documents)
        except (OSError, ValueError) as error:  # tantivy raises ValueError for everything
            raise CallDatabaseError(f"the index {self.directory} cannot be used: {error}") from error

    def search(self, text: str, filters: Filters, limit: int, *, responses: bool) -> list[tuple[int, float]]:
        """(number, score) of the best pairs: those that ask exactly the same, then by score; equal scores in order of
        the pair's identity, whatever the index's layout.

        `update` comes first.
        """
        if self._index is None:
            raise CallDatabaseError(f"the index {self.directory} is not open")
        searcher = self._index.searcher()
        clauses = _counted(self._clauses(searcher, text, responses=responses), self._scored)
        conditions = _conditions(self._schema(), filters)
        narrow = filters.tool is not None or filters.repo is not None
        if not clauses:
            return []
        if responses:
            return _ranked(searcher, self._nearest(searcher, clauses, conditions, limit, narrow))[:limit]
        same = self._query_of_text(spelled(text))
        found = _ranked(searcher, self._same(searcher, same, clauses, conditions, limit))
        if len(found) < limit:
            others = [*conditions, (tantivy.Occur.MustNot, same)]
            rest = self._nearest(searcher, clauses, others, limit - len(found), narrow)
            found += _ranked(searcher, rest)
        return found[:limit]

    def _same(
        self, searcher: tantivy.Searcher, same: tantivy.Query, clauses: list[_Clause], conditions: _Parts, limit: int
    ) -> list[_Hit]:
        """The pairs that ask exactly the same, in order of identity; all score alike."""
        asked = tantivy.Query.boolean_query([(tantivy.Occur.Must, same), *conditions])
        hits = searcher.search(asked, limit=limit, count=False, order_by_field="tie", order=tantivy.Order.Asc).hits
        if not hits:
            return []
        scored = [(tantivy.Occur.Should, query) for _, query in clauses]
        explained = tantivy.Query.boolean_query(scored).explain(searcher, hits[0][1])
        score = float(json.loads(explained.to_json())["value"])
        return [(score, address) for _, address in hits]

    def _nearest(
        self, searcher: tantivy.Searcher, clauses: list[_Clause], conditions: _Parts, limit: int, narrow: bool
    ) -> list[_Hit]:
        """The best pairs of those that have one of the rarest words, and what may be equal to the last of them."""
        best: list[_Hit] = []
        for budget in self._budgets:
            needed, common = _split(clauses, budget)
            if narrow:
                query = _one_by_one(tantivy.Query.boolean_query([(tantivy.Occur.Must, needed), *conditions]), common)
            else:
                query = tantivy.Query.boolean_query([(tantivy.Occur.Must, needed), *conditions, *common])
            best = self._best(searcher, query, conditions, limit)
            if len(best) >= limit or not common:
                break
        return best

    def _query_of_text(self, words: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema(), "text", text_number(words), "basic")

    def _query_of_texts(self, texts: set[int]) -> tantivy.Query:
        return tantivy.Query.term_set_query(self._schema(), "text", sorted(texts))

    def _best(self, searcher: tantivy.Searcher, query: tantivy.Query, conditions: _Parts, limit: int) -> list[_Hit]:
        """The best `limit` hits and what may be equal to the last of them."""
        hits = searcher.search(query, limit=max(_LOOK, 4 * limit), count=False).hits
        last = hits[min(limit, len(hits)) - 1][0] if hits else 0.0
        best = [hit for hit in hits if hit[0] > last]
        if len(hits) == max(_LOOK, 4 * limit) and hits[-1][0] == last:
            return best + self._tied(searcher, query, conditions, hits, last, limit)
        return best + [hit for hit in hits if hit[0] == last]

    def _tied(
        self,
        searcher: tantivy.Searcher,
        query: tantivy.Query,
        conditions: _Parts,
        hits: list[_Hit],
        last: float,
        limit: int,
    ) -> list[_Hit]:
        """The first of all pairs that score exactly `last`, when there are more than were looked at.

        Most of them ask the same words; so the different texts among them are found first, then the pairs of these in
        order of identity.
        """
        texts: set[int] = set()
        while True:
            new = set(_values(searcher, "text", [hit for hit in hits if hit[0] == last])) - texts
            texts |= new
            if not new or hits[-1][0] < last:
                break
            others = self._query_of_texts(texts)
            rest = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.MustNot, others)])
            hits = searcher.search(rest, limit=max(_LOOK, 4 * limit), count=False).hits
            if not hits:
                break
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, self._query_of_texts(texts)), *conditions])
        first = searcher.search(both, limit=limit, count=False, order_by_field="tie", order=tantivy.Order.Asc).hits
        return [(last, address) for _, address in first]

    def _schema(self) -> tantivy.Schema:
        if self._index is None:
            raise CallDatabaseError(f"the index {self.directory} is not open")
        return self._index.schema

    def _clauses(self, searcher: tantivy.Searcher, text: str, *, responses: bool) -> list[_Clause]:
        """The words of a text with how many pairs have each, the rarest first; words that no pair has are left out."""
        schema = self._schema()
        words = list(dict.fromkeys(terms(text)))[:_QUERY_TERMS]
        found = [
            (searcher.doc_freq("arguments", word), tantivy.Query.term_query(schema, "arguments", word, "freq"))
            for word in words
        ]
        if responses and words:
            for word in list(dict.fromkeys(_plain_words().analyze(excerpt(text))))[:_QUERY_TERMS]:
                plain = tantivy.Query.term_query(schema, "response", word, "freq")
                boosted = tantivy.Query.boost_query(plain, _RESPONSE_WEIGHT)
                found.append((searcher.doc_freq("response", word), boosted))
        return sorted((clause for clause in found if clause[0]), key=lambda clause: clause[0])

    def _update(self, wanted: State, documents: Callable[[int], Iterable[Document]]) -> None:
        held = _read_state(self.directory)
        if held is not None and (held.id, held.purges) == (wanted.id, wanted.purges) and held.last <= wanted.last:
            index = _open(self.directory)
            if index is not None and index.searcher().num_docs == held.count:
                added = _write(index, documents(held.last)) if held.last < wanted.last else 0
                if held.count + added == wanted.count:
                    self._settle(index, wanted)
                    return
        self._settle(self._rebuild(documents), wanted)

    def _rebuild(self, documents: Callable[[int], Iterable[Document]]) -> tantivy.Index:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self.directory.parent, prefix=f".{self.directory.name}-"))
        try:
            _write(tantivy.Index(_new_schema(responses=self._responses), path=str(scratch)), documents(0))
            self.remove(self.directory)
            scratch.rename(self.directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        index = _open(self.directory)
        if index is None:
            raise CallDatabaseError(f"the index {self.directory} cannot be read back")
        return index

    def _settle(self, index: tantivy.Index, state: State) -> None:
        if _read_state(self.directory) != state:
            made = self.directory / f"{_STATE}.new"
            made.write_text(json.dumps({"form": FORM, **asdict(state)}), "utf-8")
            made.replace(self.directory / _STATE)
        index.reload()
        self._index, self._state = index, state


def _counted(clauses: list[_Clause], budget: float) -> list[_Clause]:
    """The rarest words, as many as together stand in `budget` pairs, one at least."""
    sums = accumulate(frequency for frequency, _ in clauses)
    return clauses[: max(1, sum(total <= budget for total in sums))]


def _split(clauses: list[_Clause], budget: float) -> tuple[tantivy.Query, _Parts]:
    """A query for one of the rarest words, as many as together stand in `budget` pairs; and the other words."""
    rare = len(_counted(clauses, budget))
    parts: _Parts = [(tantivy.Occur.Should, query) for _, query in clauses]
    return tantivy.Query.boolean_query(parts[:rare]), parts[rare:]


def _one_by_one(query: tantivy.Query, scored: _Parts) -> tantivy.Query:
    """The query with further words that only score, each looked up in its hits alone; all together they are read whole,
    which is quicker where most pairs are hits.
    """
    for part in scored:
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), part])
    return query


def _ranked(searcher: tantivy.Searcher, hits: list[_Hit]) -> list[tuple[int, float]]:
    scored = zip(hits, _values(searcher, "tie", hits), _values(searcher, "seq", hits), strict=True)
    ranked = sorted((-score, tie, number) for (score, _), tie, number in scored)
    return [(number, -negative) for negative, _, number in ranked]


def _values(searcher: tantivy.Searcher, name: str, hits: list[_Hit]) -> list[int]:
    found = searcher.fast_field_values(name, [address for _, address in hits])
    return [int(value) for value in found if value is not None]


def _new_schema(*, responses: bool) -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("seq", fast=True)
    builder.add_unsigned_field("tie", fast=True)
    builder.add_unsigned_field("text", indexed=True, fast=True)
    builder.add_float_field("at", indexed=True, fast=True)
    for name in ("tool", "repo", "lineage"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("arguments", tokenizer_name="whitespace", index_option="freq")
    if responses:
        builder.add_text_field("response", tokenizer_name=_PLAIN, index_option="freq")
    return builder.build()


def _plain_words() -> tantivy.TextAnalyzer:
    """Words of a result: runs of letters and digits in lower case (no splitting, for speed)."""
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return words.filter(tantivy.Filter.remove_long(LONGEST)).filter(tantivy.Filter.lowercase()).build()


def _write(index: tantivy.Index, documents: Iterable[Document]) -> int:
    added = 0
    index.register_tokenizer(_PLAIN, _plain_words())
    writer = index.writer(_HEAP, _WRITERS)
    for each in documents:
        words = spelled(each.arguments)
        document = tantivy.Document(tool=each.tool, lineage=each.lineage, arguments=words)
        document.add_unsigned("seq", each.seq)
        document.add_unsigned("tie", int.from_bytes(each.key[:8], "big"))
        document.add_unsigned("text", text_number(words))
        if each.response is not None:
            document.add_text("response", excerpt(each.response))
        if each.repo is not None:
            document.add_text("repo", each.repo)
        if each.at is not None:
            document.add_float("at", each.at)
        writer.add_document(document)
        added += 1
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return added


def _conditions(schema: tantivy.Schema, filters: Filters) -> _Parts:
    found: _Parts = []
    for name, value in (("tool", filters.tool), ("repo", filters.repo)):
        if value is not None:
            found.append((tantivy.Occur.Must, _unscored(tantivy.Query.term_query(schema, name, value, "basic"))))
    for lineage in filters.not_lineages:
        own = tantivy.Query.term_query(schema, "lineage", lineage, "basic")
        found.append((tantivy.Occur.MustNot, own))
    if filters.before is not None:
        earlier = tantivy.Query.range_query(
            schema, "at", tantivy.FieldType.Float, None, float(filters.before), include_upper=False
        )
        if filters.undated:
            dated = tantivy.Query.exists_query("at")
            undated = tantivy.Query.boolean_query(
                [(tantivy.Occur.Must, tantivy.Query.all_query()), (tantivy.Occur.MustNot, dated)]
            )
            earlier = tantivy.Query.boolean_query([(tantivy.Occur.Should, earlier), (tantivy.Occur.Should, undated)])
        found.append((tantivy.Occur.Must, _unscored(earlier)))
    return found


def _unscored(query: tantivy.Query) -> tantivy.Query:
    return tantivy.Query.const_score_query(query, 0.0)


def _open(directory: Path) -> tantivy.Index | None:
    try:
        index = tantivy.Index.open(str(directory))
        index.config_reader(reload_policy="manual")
        index.reload()
    except (ValueError, OSError):
        return None
    return index


def _read_state(directory: Path) -> State | None:
    try:
        held = json.loads((directory / _STATE).read_text("utf-8"))
        if held.pop("form") != FORM:
            return None
        return State(**held)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time makes or extends the index."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(directory.name + ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
