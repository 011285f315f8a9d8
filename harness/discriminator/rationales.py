"""What judges said, in heaps: rationales that use the same words. Pure and deterministic.

TF-IDF over words and pairs of words, agglomerative clustering with average linkage on cosine distance (Manning,
Raghavan and Schütze, Introduction to Information Retrieval, chapters 6 and 17).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

FAR = 0.8
"""Heaps whose mean cosine distance is larger are kept apart."""

_TERMS = 4
_OWN_WORDS = frozenset({"version", "output", "real", "environment", "simulated", "tool", "because", "likely", "seems"})


@dataclass(frozen=True, slots=True)
class Heap:
    """Rationales that belong together: their positions in the input, and the words that they share."""

    members: tuple[int, ...]
    words: tuple[str, ...]


def heaps(texts: Sequence[str], far: float = FAR) -> tuple[Heap, ...]:
    """The rationales in heaps, largest first; texts without a word belong to none."""
    kept = [at for at, text in enumerate(texts) if any(c.isalpha() for c in text)]
    if not kept:
        return ()
    vectors = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True)
    matrix = vectors.fit_transform([texts[at] for at in kept]).toarray()
    labels = [0] * len(kept)
    if len(kept) > 1:
        grouping = AgglomerativeClustering(n_clusters=None, distance_threshold=far, metric="cosine", linkage="average")
        labels = [int(label) for label in grouping.fit_predict(matrix)]
    names = vectors.get_feature_names_out()
    found = []
    for label in sorted(set(labels)):
        places = [place for place, own in enumerate(labels) if own == label]
        weights = matrix[places].mean(axis=0)
        found.append(Heap(tuple(kept[place] for place in places), _words(names, weights)))
    return tuple(sorted(found, key=lambda heap: (-len(heap.members), heap.members)))


def _words(names: Sequence[str], weights: Sequence[float]) -> tuple[str, ...]:
    order = sorted(range(len(names)), key=lambda at: (-weights[at], names[at]))
    telling = [names[at] for at in order if weights[at] > 0 and not _common(names[at])]
    return tuple(telling[:_TERMS])


def _common(term: str) -> bool:
    return all(word in ENGLISH_STOP_WORDS or word in _OWN_WORDS or len(word) < 3 for word in term.split())
