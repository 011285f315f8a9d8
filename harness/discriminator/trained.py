"""A trained discriminator: can a simple classifier tell recorded from simulated results, on pairs it has not seen?

A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017) on pairs. Free, deterministic, seconds. Pure. Formulas and
why the permutation test is exact: docs/methods.md, "Trained discriminator".
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer

from harness.discriminator.features import LENGTH, SHAPE
from harness.discriminator.pairs import Pair
from harness.discriminator.serialise import cut_alike
from harness.estimates import clustered_share
from toolsim.seeds import derive_seed

View: TypeAlias = Literal["all", "shape", "ngrams", "length", "metadata"]
GroupBy: TypeAlias = Literal["repo", "lineage"]
Matrix: TypeAlias = npt.NDArray[np.float64]

MOST_PAIRS = 3000
_MOST_TEXT = 6_000
_NGRAMS = (1, 4)
_MOST_NGRAMS = 40_000
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Feature:
    """What gives a side away: `weight` (positive) is its pull, `side` the one that has more of it."""

    name: str
    weight: float
    side: Literal["recorded", "simulated"]


@dataclass(frozen=True, slots=True)
class Trained:
    """The held-out result over `n` non-identical pairs in `groups` groups of which none was trained on itself.

    `paired_auc` is the share of pairs in which the simulated side scored higher (ties ½): 0.5 is chance, 1 is always
    told apart; [`low`, `high`] its 95 % interval, clustered. `win_rate` is 1 - `paired_auc`, on the scale of a judge's.
    `p_value` is of the null that the two sides of each pair could be swapped. `scores` gives, by pair id, the held-out
    difference: positive where the simulated side was recognised. `left_out` pairs were over `MOST_PAIRS`.
    """

    n: int
    groups: int
    paired_auc: float
    low: float
    high: float
    win_rate: float
    p_value: float
    features: tuple[Feature, ...]
    scores: tuple[tuple[str, float], ...]
    left_out: int = 0


def why_not(pairs: Sequence[Pair], group_by: GroupBy = "lineage") -> str | None:
    """Why nothing can be trained on these pairs; `None` if it can."""
    usable = [p for p in pairs if not p.identical]
    if len(usable) < 10:
        return f"a trained discriminator needs 10 pairs that differ, there are {len(usable)}"
    groups = {_group(p, group_by) for p in usable}
    if len(groups) < 2:
        return f"a trained discriminator needs pairs of two groups by {group_by}, there is {len(groups)}"
    return None


def classify(
    pairs: Sequence[Pair],
    *,
    group_by: GroupBy = "lineage",
    seed: int = 0,
    folds: int = 5,
    permutations: int = 999,
    view: View = "all",
) -> Trained | None:
    """Train and test by groups; `None` where `why_not` gives a reason. `folds` is at most the number of groups.

    The view `metadata` guesses from tool, class, scaffold and position which side of each pair was drawn: both sides
    share them, so whatever it finds beyond chance is a fault of ours.
    """
    if why_not(pairs, group_by) is not None:
        return None
    chosen = sorted((p for p in pairs if not p.identical), key=lambda p: derive_seed(seed, "trained", p.id))
    used = chosen[:MOST_PAIRS]
    columns = _Columns.of(used, view)
    groups = [_group(p, group_by) for p in used]
    weights = _held_out(columns.kernel(), _folds(groups, folds, seed))
    truth = np.ones(len(used))
    scores = weights @ truth
    wins = _wins(scores)
    estimate = clustered_share(wins.tolist(), [p.origin.lineage for p in used])
    assert estimate is not None
    return Trained(
        n=len(used),
        groups=len(set(groups)),
        paired_auc=estimate.value,
        low=estimate.low,
        high=estimate.high,
        win_rate=1 - estimate.value,
        p_value=_p_value(weights, float(wins.mean()), permutations, seed),
        features=columns.telling(),
        scores=tuple((p.id, float(s)) for p, s in zip(used, scores, strict=True)),
        left_out=len(chosen) - len(used),
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Feature differences, simulated minus recorded; each block's rows have unit length, so each pair counts alike."""

    names: tuple[str, ...]
    blocks: tuple[Any, ...]

    @classmethod
    def of(cls, pairs: Sequence[Pair], view: View) -> _Columns:
        if view == "metadata":
            known = DictVectorizer()
            drawn = np.array([1.0 if derive_seed("side", p.id) % 2 else -1.0 for p in pairs])
            rows = sparse.diags(drawn) @ known.fit_transform([_known_of(p) for p in pairs])
            return cls(tuple(known.get_feature_names_out()), (_unit_rows(rows),))
        sides = [cut_alike(p.recorded, p.simulated, _MOST_TEXT) for p in pairs]
        recorded, simulated = [one for one, _ in sides], [other for _, other in sides]
        names: list[str] = []
        blocks: list[Any] = []
        if view != "ngrams":
            table = LENGTH if view == "length" else SHAPE
            blocks.append(sparse.csr_matrix(_unit(_scaled(_shape(simulated, table) - _shape(recorded, table)))))
            names += table
        if view in ("all", "ngrams"):
            reader = TfidfVectorizer(
                analyzer="char", ngram_range=_NGRAMS, lowercase=False, sublinear_tf=True, min_df=2,
                max_features=_MOST_NGRAMS,
            )  # fmt: skip
            reader.fit([*recorded, *simulated])
            blocks.append(_unit_rows(reader.transform(simulated) - reader.transform(recorded)))
            names += [f"text {name!r}" for name in reader.get_feature_names_out()]
        return cls(tuple(names), tuple(blocks))

    def kernel(self) -> Matrix:
        """Inner products of the pairs' differences, summed over the blocks."""
        return np.asarray(sum((block @ block.T).toarray() for block in self.blocks), dtype=np.float64)

    def telling(self) -> tuple[Feature, ...]:
        """The features with the largest weights of a classifier that saw all pairs, strongest first."""
        dual = _solve(self.kernel(), np.ones((self.blocks[0].shape[0], 1)))[:, 0]
        weights = np.concatenate([np.asarray(block.T @ dual).ravel() for block in self.blocks])
        order = np.lexsort((np.arange(len(weights)), -np.abs(weights)))[:_SHOWN]
        return tuple(
            Feature(self.names[i], float(abs(weights[i])), "simulated" if weights[i] > 0 else "recorded")
            for i in order
            if weights[i] != 0
        )


def _shape(texts: Sequence[str], table: dict[str, Callable[[str], float]]) -> Matrix:
    return np.array([[measure(text) for measure in table.values()] for text in texts], dtype=np.float64)


def _known_of(pair: Pair) -> dict[str, str | float]:
    """What is known of either side without its text: both share it."""
    origin = pair.origin
    return {
        "tool": str(origin.tool), "class": str(origin.command), "scaffold": origin.agent,
        "position (log)": math.log1p(origin.depth or 0),
    }  # fmt: skip


def _scaled(differences: Matrix) -> Matrix:
    """Each column divided by its root mean square, which no swap of sides changes."""
    size = np.sqrt((differences**2).mean(axis=0))
    scaled: Matrix = np.divide(differences, size, out=np.zeros_like(differences), where=size > 0)
    return scaled


def _unit(rows: Matrix) -> Matrix:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Matrix = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit


def _unit_rows(rows: Any) -> Any:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)) @ rows.tocsr()


def _solve(kernel: Matrix, targets: Matrix) -> Matrix:
    """Dual weights of ridge regression; the penalty is the mean of the kernel's diagonal."""
    penalty = max(float(np.trace(kernel)) / len(kernel), 1e-9)
    return np.asarray(np.linalg.solve(kernel + penalty * np.eye(len(kernel)), targets))


def _held_out(kernel: Matrix, fold: npt.NDArray[np.int64]) -> Matrix:
    """Row i holds the weights with which the signs of the pairs outside of i's fold give i's held-out score."""
    weights = np.zeros_like(kernel)
    for number in range(int(fold.max()) + 1):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        inverse = _solve(kernel[np.ix_(train, train)], np.eye(len(train)))
        weights[np.ix_(test, train)] = kernel[np.ix_(test, train)] @ inverse
    return weights


def _wins(scores: Matrix) -> Matrix:
    return (scores > 1e-12) + 0.5 * (np.abs(scores) <= 1e-12)


def _p_value(weights: Matrix, observed: float, permutations: int, seed: int) -> float:
    """Share of random swaps of sides (the true one among them) that are recognised as often as the observed one."""
    rng = np.random.default_rng(derive_seed(seed, "swaps"))
    signs = rng.choice(np.array([-1.0, 1.0]), size=(len(weights), permutations))
    shares = _wins((weights @ signs) * signs).mean(axis=0)
    return float((1 + np.count_nonzero(shares >= observed - 1e-12)) / (1 + permutations))


def _folds(groups: Sequence[Hashable], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """A fold for each pair: whole groups, the largest first into the emptiest fold."""
    sizes = Counter(groups)
    filled: dict[int, int] = defaultdict(int)
    count = min(folds, len(sizes))
    place: dict[Hashable, int] = {}
    for name in sorted(sizes, key=lambda g: (-sizes[g], derive_seed(seed, "fold", str(g)))):
        place[name] = min(range(count), key=lambda n: (filled[n], n))
        filled[place[name]] += sizes[name]
    return np.array([place[name] for name in groups], dtype=np.int64)


def _group(pair: Pair, group_by: GroupBy) -> str:
    return pair.origin.repo or pair.origin.lineage if group_by == "repo" else pair.origin.lineage
