"""The gate on files: write a baseline of a run, compare a run with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.discriminator.judge import ORDERS, judge_request
from harness.discriminator.measure import draw, make_pairs
from harness.discriminator.pairs import Pair
from harness.discriminator.serialise import Window
from harness.errors import ConfigError
from harness.gate.baseline import Baseline, dump, load
from harness.gate.compare import Verdict, compare
from harness.gate.judge import in_cassette, judge_facts, word_of
from harness.gate.measure import measure_run
from harness.store import Store
from toolsim.trajectory import JsonObject

SEED = 0


def write(store: Store, run: str, path: Path, *, judge: str | None = None, judge_pairs: int = 20) -> Baseline:
    """Measure a run and keep its scores at `path`.

    Raises:
        ConfigError: the run is none of recorded actions, has no call, or the file cannot be written.
    """
    made = measure_run(store, run)
    if not made.places:
        raise ConfigError(f"run {run} has no rollout: there is nothing to keep")
    if judge is not None:
        made = replace(made, judge=judge_facts(judge, _pairs(store, run, judge_pairs), Window(), SEED))
    try:
        path.write_text(dump(made), "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    return made


def against(
    store: Store,
    run: str,
    path: Path,
    *,
    delta: float,
    judge: str | None = None,
    judge_pairs: int = 20,
    cassette: Path | None = None,
) -> Verdict:
    """Compare a run with the baseline at `path`.

    Raises:
        ConfigError: the file is no baseline, or the run cannot be measured.
    """
    old, new = read(path), measure_run(store, run)
    word: str | None = None
    if judge is not None:
        pairs = _pairs(store, run, judge_pairs)
        new = replace(new, judge=judge_facts(judge, pairs, Window(), SEED))
        word = _word(old.judge, new.judge, pairs, cassette)
    elif old.judge is not None:
        new = replace(new, judge=old.judge)  # nobody asked about it, so nothing is said to have changed
    return replace(compare(old, new, delta), judge=word)


def read(path: Path) -> Baseline:
    """The baseline at `path`.

    Raises:
        ConfigError: it cannot be read or is none.
    """
    try:
        return load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the baseline {path}: {getattr(error, 'strerror', None) or error}") from error


def _pairs(store: Store, run: str, count: int) -> tuple[Pair, ...]:
    return draw([p for p in make_pairs(store, run, Window()) if p.kind == "call"], count, SEED)


def _word(old: JsonObject | None, new: JsonObject | None, pairs: tuple[Pair, ...], cassette: Path | None) -> str:
    assert new is not None
    said = word_of(old, new) if old is not None else "the baseline keeps no judge: write it anew with --judge"
    if cassette is None:
        return said
    requests = [judge_request(pair, sides, window=Window(), seed=SEED) for pair in pairs for sides in ORDERS]
    held, asked = in_cassette(cassette.read_text("utf-8"), requests)
    return f"{said}; the cassette answers {held} of {asked} questions"
