"""Turns in heaps by a summary that no grader wrote: what was called in which order, and the closing words. Pure.

Heaps are made over both sides at once, without regard to the side, so that each may be tested like any trait.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.feature_extraction.text import TfidfVectorizer

from harness.callclass import action_of, command_line
from harness.discovery.turns import ActedTurn
from toolsim import shellparse

HEAPS = 40
_FEWEST = 20
_NAMED_BY = 4
_CLOSING = 400


def summary_of(turn: ActedTurn) -> str:
    """One text of a turn: the tools and programs in order, then the beginning of the closing text."""
    words: list[str] = []
    for act in turn.acts:
        line = command_line(action_of(act.call, turn.agent))
        words.append(act.call.name)
        words += shellparse.programs(line) if line else ()
    return " ".join([*words, turn.closing[:_CLOSING]])


def heaps_of(
    baseline: Sequence[ActedTurn], candidate: Sequence[ActedTurn], *, heaps: int = HEAPS, seed: int = 0
) -> dict[str, frozenset[str]]:
    """Turns (`0/key` of the baseline, `1/key` of the candidate) by heap; a heap is named by its most telling words.

    Nothing where there are too few turns or words for heaps.
    """
    # in an order that does not depend on the sides, since the heaps depend on the order
    ordered = sorted((turn.key, summary_of(turn), side) for side, of in enumerate((baseline, candidate)) for turn in of)
    texts = [text for _, text, _ in ordered]
    names = [f"{side}/{key}" for key, _, side in ordered]
    count = min(heaps, len(names) // _FEWEST)
    if count < 2 or not any(text.strip() for text in texts):
        return {}
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=3, token_pattern=r"(?u)\b\w[\w.-]+\b")
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # no word is in three turns
        return {}
    made = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=1024).fit(weights)
    words = vectorizer.get_feature_names_out()
    found: dict[str, frozenset[str]] = {}
    for heap in range(count):
        heaped = frozenset(names[at] for at in np.flatnonzero(made.labels_ == heap))
        if heaped:
            telling = [words[at] for at in np.argsort(-made.cluster_centers_[heap])[:_NAMED_BY]]
            found[f"summary heap {heap}: {' '.join(telling)}"] = heaped
    return found
