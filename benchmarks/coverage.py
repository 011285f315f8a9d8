"""How often the intervals hold the truth: `python benchmarks/coverage.py [--experiments N] [--seed S]`.

Every cell is so many simulated experiments with a known truth: clusters of 10 pairs (or of 2 to 25), beta-binomial with
the given intraclass correlation, through the code that the commands use. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np

from harness.intervals import Array, Sums, bootstrap_interval, difference_interval, p_value, share_interval
from harness.power import required_for_difference, required_pairs

CLUSTERS, ICCS, SHARES, RARE = (20, 50, 200), (0.0, 0.1, 0.3), (0.5, 0.42, 0.1), (0.03, 0.01, 0.005)
FEW = (5, 10, 15)
SIZES = (2, 5, 8, 10, 25)
MORE = 0.06


class Simulation:
    """Draws experiments: arrays of (experiments, clusters)."""

    def __init__(self, experiments: int, seed: int) -> None:
        self.experiments, self.seed = experiments, seed

    def rng(self, *cell: float) -> np.random.Generator:
        """A generator for one cell, whatever else is drawn."""
        return np.random.default_rng([self.seed, *(round(1000 * part) + 1000 for part in cell)])

    def rates(self, rng: np.random.Generator, clusters: int, icc: float, share: float) -> Array:
        """The true rate of each cluster."""
        shape = (self.experiments, clusters)
        if icc == 0:
            return np.full(shape, share)
        total = (1 - icc) / icc
        return np.asarray(rng.beta(share * total, (1 - share) * total, shape))

    def sizes(self, clusters: int, *, equal: bool) -> Array:
        """Pairs of each cluster."""
        one = np.full(clusters, 10) if equal else np.tile(SIZES, clusters // len(SIZES))
        return np.broadcast_to(one, (self.experiments, clusters)).astype(float)

    def wins(self, clusters: int, icc: float, share: float, *, equal: bool = True) -> Sums:
        """Wins of 0 and 1."""
        rng, sizes = self.rng(clusters, icc, share, equal), self.sizes(clusters, equal=equal)
        sums = rng.binomial(sizes.astype(int), self.rates(rng, clusters, icc, share)).astype(float)
        return Sums(sizes, sums, sums)

    def halves(self, clusters: int, icc: float, share: float) -> Sums:
        """Wins of 0, ½ and 1, as both orders of a judge give them: two draws of each pair, halved."""
        rng, sizes = self.rng(clusters, icc, share, 7), self.sizes(clusters, equal=True)
        rates = self.rates(rng, clusters, icc, share)[..., None]
        wins = rng.binomial(2, np.broadcast_to(rates, (*rates.shape[:2], int(sizes[0, 0])))) / 2
        return Sums(sizes, wins.sum(-1), (wins**2).sum(-1))

    def differences(self, clusters: int, icc: float, changed: float, truth: float) -> Sums:
        """Paired differences: a share `changed` of the items comes out differently, better or worse by cluster."""
        rng, sizes = self.rng(clusters, icc, changed, truth), self.sizes(clusters, equal=True)
        better = self.rates(rng, clusters, icc, (1 + truth / changed) / 2)
        moved = rng.binomial(sizes.astype(int), changed)
        up = rng.binomial(moved, better)
        return Sums(sizes, (2.0 * up - moved), moved.astype(float))


def covered(interval: tuple[Array, Array], truth: float) -> float:
    """Percent of experiments whose interval holds the truth."""
    low, high = interval
    return float(100 * np.mean((low <= truth + 1e-12) & (truth - 1e-12 <= high)))


def table(title: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print one table."""
    print(f"\n{title}\n\n| {' | '.join(header)} |", f"|{'---|' * len(list(header))}", sep="\n")
    for row in rows:
        print(f"| {' | '.join(f'{c:.1f}' if isinstance(c, float) and c > 1 else str(c) for c in row)} |", flush=True)


def shares(sim: Simulation, clusters: Iterable[int], truths: Iterable[float], least: float, most: float) -> list[str]:
    """Coverage of shares; returns the named cells outside of the range asked for."""
    outside: list[str] = []

    def rows() -> Iterable[Iterable[object]]:
        for groups in clusters:
            for icc in ICCS:
                for truth in truths:
                    data = sim.wins(groups, icc, truth)
                    robust = covered(share_interval(data), truth)
                    boot = covered(bootstrap_interval(data, 999, sim.rng(groups, 1)), truth)
                    unequal = sim.wins(groups, icc, truth, equal=False)
                    other = covered(share_interval(unequal), truth)
                    halves = covered(share_interval(sim.halves(groups, icc, truth)), truth)
                    width = share_interval(data)
                    half = float(100 * np.median(width[1] - width[0]) / 2)
                    if not least <= round(robust, 1) <= most:
                        outside.append(f"{groups} clusters, ICC {icc}, p {truth}: {robust:.1f}")
                    yield groups, icc, truth, robust, f"{half:.1f}", halves, other, boot

    table(
        "Coverage of 95 % intervals of a share, in percent (clusters of 10; unequal: of 2 to 25)",
        ("clusters", "ICC", "p", "robust t", "± points, median", "with flips", "unequal", "bootstrap"),
        rows(),
    )  # fmt: skip
    return outside


def differences(sim: Simulation) -> None:
    """Coverage of paired differences."""

    def rows() -> Iterable[Iterable[object]]:
        for groups in CLUSTERS:
            for icc in ICCS:
                for changed, truth in ((0.5, 0.0), (0.2, 0.0), (0.2, -0.08), (0.05, 0.0), (0.02, 0.0)):
                    data = sim.differences(groups, icc, changed, truth)
                    yield groups, icc, changed, truth, covered(difference_interval(data), truth)

    table(
        "Coverage of 95 % intervals of a paired difference, in percent",
        ("clusters", "ICC of the direction", "items that change", "true difference", "robust t"), rows(),
    )  # fmt: skip


def powers(sim: Simulation) -> None:
    """How often the planned number of pairs finds what it was planned for (80 % wanted)."""

    def rows() -> Iterable[Iterable[object]]:
        for p0, p1, icc in ((0.5, 0.42, 0.0), (0.5, 0.42, 0.1), (0.5, 0.42, 0.3), (0.5, 0.6, 0.1)):
            need = required_pairs(p0, p1, 0.8, 0.05, icc, 10)
            groups = -(-need // 10)
            found = float(100 * np.mean(p_value(sim.wins(groups, icc, p1), p0) < 0.05))
            yield f"{100 * p1:.0f} % against {100 * p0:.0f} %", icc, need, groups, found
        for truth, changed in ((-0.05, 0.2), (-0.05, 0.1)):
            need = required_for_difference(truth, changed)
            groups = -(-need // 10)
            found = float(100 * np.mean(p_value(sim.differences(groups, 0.0, changed, truth), 0.0) < 0.05))
            yield f"{100 * truth:.0f} points, {100 * changed:.0f} % of items change", 0.0, need, groups, found

    table(
        "Planned for 80 % power: how often the difference is found, in percent",
        ("question", "ICC", "pairs", "clusters of 10", "found"), rows(),
    )  # fmt: skip


def main() -> None:
    """Parse, simulate, print; exit status 1 if a named cell lies outside of what is promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sim = Simulation(options.experiments, options.seed)
    outside = shares(sim, CLUSTERS, SHARES, 94.0, 96.0)
    outside += shares(sim, CLUSTERS, RARE, 94.0, 100.0)
    shares(sim, FEW, SHARES, 0.0, 100.0)
    differences(sim)
    powers(sim)
    zero = Sums(np.full(20, 10.0), np.zeros(20), np.zeros(20))
    low, high = share_interval(zero)
    print(f"\nNo event in 20 clusters of 10: [{100 * low:.1f}, {100 * high:.1f}] %")
    print("\nNamed cells outside of 94-96 % (rare: under 94 %): " + ("; ".join(outside) or "none"))
    raise SystemExit(bool(outside))


if __name__ == "__main__":
    main()
