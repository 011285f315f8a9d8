from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import betainc, polygamma, psi

from harness.graded import GradedTurn
from harness.logrates import beta_of_logs, draw_logs, smoothed


def some(events: int, n: int, per: int = 1, name: str = "t") -> list[GradedTurn]:
    """`n` turns, `per` to a lineage, of which the first `events` show the category."""
    return [GradedTurn(f"{name}{i}", f"l{i // per}", {"c": 2} if i < events else {}) for i in range(n)]


@pytest.mark.parametrize(("events", "n"), [(0, 40), (3, 40), (20, 40), (40, 40)])
def test_with_one_turn_a_lineage_the_draws_are_the_posterior_of_jeffreys(events: int, n: int) -> None:
    found = draw_logs([some(events, n)], "c", 1, rng=np.random.default_rng(1), draws=20_000)
    placed = betainc(events + 0.5, n - events + 0.5, np.exp(found.logs[:, 0]))
    assert np.allclose(np.quantile(placed, [0.05, 0.25, 0.5, 0.75, 0.95]), [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.015)


def test_turns_of_a_lineage_that_agree_make_the_draws_wider() -> None:
    alone = draw_logs([some(40, 200)], "c", 1, rng=np.random.default_rng(1))
    together = draw_logs([some(40, 200, per=10)], "c", 1, rng=np.random.default_rng(1))
    assert together.logs.std() > 2 * alone.logs.std()


def test_sides_that_share_lineages_keep_their_pairing() -> None:
    same = some(40, 200, per=10)
    paired = draw_logs([same, same], "c", 1, rng=np.random.default_rng(1)).contrast((-1, 1))
    apart = [GradedTurn(t.prefix, "other " + t.lineage, t.severities) for t in same]
    free = draw_logs([same, apart], "c", 1, rng=np.random.default_rng(1)).contrast((-1, 1))
    assert paired.value == free.value == 0
    assert paired.high - paired.low < 0.4 * (free.high - free.low)


def test_a_threshold_leaves_milder_findings_out() -> None:
    found = draw_logs([some(5, 50)], "c", 3, rng=np.random.default_rng(0))
    assert math.exp(found.point[0]) == pytest.approx(smoothed(0, 50))


def test_no_graded_turn_is_no_rate() -> None:
    with pytest.raises(ValueError, match="at least one graded turn"):
        draw_logs([some(1, 5), [GradedTurn("a", "l", failed="refused")]], "c", 1, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 100.5), (3.5, 4_000.0), (80.0, 20.0), (1.5, 1.5)])
def test_a_beta_is_found_again_from_the_moments_of_its_logarithm(alpha: float, beta: float) -> None:
    mean = float(psi(alpha) - psi(alpha + beta))
    variance = float(polygamma(1, alpha) - polygamma(1, alpha + beta))
    found = beta_of_logs(mean, variance)
    assert (found.alpha, found.beta) == (pytest.approx(alpha, rel=0.02), pytest.approx(beta, rel=0.02))


def test_few_lineages_widen_what_is_known() -> None:
    rng = np.random.default_rng(3)
    few = draw_logs([some(20, 100, per=20)], "c", 1, rng=rng)
    assert few.clusters == 5
    low, high = np.quantile(few.logs[:, 0], [0.025, 0.975])
    interval = few.contrast((1.0,))
    assert interval.low < low
    assert interval.high > high
