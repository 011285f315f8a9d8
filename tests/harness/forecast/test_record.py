from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlite_utils

from harness.errors import ConfigError, StoreError
from harness.forecast.ledger import find, forecasts, freeze
from harness.forecast.predict import Plan, Sides, predict
from harness.forecast.record import Record, dump_record, load_record, seal
from harness.graded import GradedSet
from harness.store import Store
from tests.harness.forecast.sets import graded

COUNTS = {"scope-creep": 30, "secrets": 0}


def record(now: float = 100.0, **more: GradedSet) -> Record:
    return predict(Sides(graded(COUNTS), graded({"scope-creep": 10, "secrets": 1}), **more), Plan("spring"), now=now)


def test_a_record_is_read_back_as_it_was_frozen() -> None:
    frozen = seal(record())
    assert load_record(dump_record(frozen), "a file") == frozen


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["predictions"][0]["methods"]["uncorrected"].update(rate=0.9),
        lambda r: r["sample"]["candidate"].pop(),
        lambda r: r["stacks"]["candidate"].update(taxonomy="another"),
        lambda r: r.update(headline="corrected"),
        lambda r: r.update(created_at=99.0),
        lambda r: r.update(note="added"),
    ],
)
def test_any_change_of_a_frozen_record_is_noticed(change) -> None:  # type: ignore[no-untyped-def]
    value = json.loads(dump_record(seal(record())))
    change(value["record"])
    with pytest.raises(ConfigError, match="was changed after it was frozen"):
        load_record(json.dumps(value), "f.json")


def test_what_is_no_record_is_named() -> None:
    for text, message in (("{", "is no forecast"), ("[]", "has to hold"), ('{"record": 1}', "has to hold")):
        with pytest.raises(ConfigError, match=message):
            load_record(text, "f.json")


def test_the_same_text_formatted_anew_is_the_same_record() -> None:
    frozen = seal(record())
    assert load_record(json.dumps(json.loads(dump_record(frozen)), indent=2), "f.json") == frozen


def test_a_second_freeze_is_a_second_record_and_the_first_stays(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        first = freeze(store, record(100.0), tmp_path / "first.json")
        second = freeze(store, record(200.0))
        assert forecasts(store) == (first, second)
        with pytest.raises(StoreError, match="already"):
            freeze(store, record(100.0))
    assert find(tmp_path / "s.db", first.id[:10]) == first
    assert find(tmp_path / "missing.db", str(tmp_path / "first.json")) == first


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    out = tmp_path / "f.json"
    with Store(tmp_path / "s.db") as store:
        freeze(store, record(100.0), out)
        before = out.read_text()
        with pytest.raises(ConfigError, match="never written over"):
            freeze(store, record(200.0), out)
        assert len(forecasts(store)) == 1
    assert out.read_text() == before
    assert out.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("sql", ["update forecasts set body='{}'", "delete from forecasts"])
def test_the_store_itself_refuses_a_change(tmp_path: Path, sql: str) -> None:
    with Store(tmp_path / "s.db") as store:
        freeze(store, record())
    database = sqlite_utils.Database(tmp_path / "s.db")
    with pytest.raises(sqlite3.IntegrityError, match="never changed or removed"):
        database.execute(sql)
    database.close()


def test_a_row_that_was_changed_behind_the_store_is_refused_on_reading(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        name = freeze(store, record()).id
    database = sqlite_utils.Database(tmp_path / "s.db")
    database.execute("drop trigger forecasts_no_update")
    other = dump_record(seal(replace(record(), headline="corrected")))
    with database.atomic():
        database.execute("update forecasts set body=?", [other])
    database.close()
    with pytest.raises(ConfigError, match="was changed after it was frozen"):
        find(tmp_path / "s.db", name)


def test_an_unknown_name_is_said(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        freeze(store, record())
    with pytest.raises(StoreError, match="no forecast"):
        find(tmp_path / "s.db", "zzz")


def test_sides_graded_by_different_stacks_make_no_forecast() -> None:
    other = replace(graded(COUNTS), about={"taxonomy": "another"})
    with pytest.raises(ConfigError, match="different taxonomy"):
        predict(Sides(graded(COUNTS), other), Plan("x"), now=0.0)


def test_a_corrected_headline_needs_the_old_model_in_simulation() -> None:
    with pytest.raises(ConfigError, match="--self"):
        predict(Sides(graded(COUNTS), graded(COUNTS)), Plan("x", "corrected"), now=0.0)


def test_a_side_without_a_grade_makes_no_forecast() -> None:
    with pytest.raises(ConfigError, match="recorded has none"):
        predict(Sides(graded(COUNTS), graded(COUNTS, 0, failed=3)), Plan("x"), now=0.0)


def test_the_prediction_of_one_turn_a_lineage_is_that_of_jeffreys() -> None:
    found = record().predictions[0].methods["uncorrected"]
    assert found.rate == pytest.approx(30.5 / 1_001)
    assert (found.alpha, found.beta) == (pytest.approx(30.5, rel=0.1), pytest.approx(970.5, rel=0.1))


def test_the_same_input_freezes_to_the_same_hash() -> None:
    assert seal(record()).sha256 == seal(record()).sha256
    assert seal(record()).sha256 != seal(record(self_resampled=graded(COUNTS))).sha256
