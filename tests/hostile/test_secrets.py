"""A planted key, and all that a whole experiment leaves: it stands nowhere, and nobody else may read what is there."""

from __future__ import annotations

import base64
import json
import os
import stat
import urllib.parse
import zipfile

import pytest

from tests.programs import benchmark

faults = benchmark("faults")
KEY = "sk-canary-9d81f5aa36c24e0b"
FORMS = (KEY, base64.b64encode(KEY.encode()).decode().rstrip("="), urllib.parse.quote(KEY, safe=""), KEY[3:])


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A folder with everything that import, run, judge, grade, report, pairs and exports make; some answers echo the
    key."""
    folder = tmp_path_factory.mktemp("left")
    kept = {name: os.environ.get(name) for name in ("OPENAI_API_KEY", "OPENAI_LOG")}
    os.environ.update(OPENAI_API_KEY=KEY)
    before = os.umask(0o022)
    try:
        with faults.fake_endpoint.running(faults=0.3, kinds="echo,500", steps=2) as base_url:
            run = faults.play(folder, 6, base_url)
            own = ("--store", folder / "deploysim.db")
            faults.said("report", run, *own, "-o", folder / "report.html")
            for form in ("atif", "parquet", "inspect"):
                faults.said(
                    "export", "--run", run, *own, "--format", form, "-o", folder / form, may_end=(0, None, 1, 2, 3)
                )
            faults.said("pairs", run, *own, "-o", folder / "pairs", may_end=(0, None, 1, 2, 3))
    finally:
        os.umask(before)
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    return folder


def texts(path):
    """The bytes of a file, and what is packed in it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield json.dumps(pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist(), default=str).encode()
    if path.suffix in {".eval", ".zip"}:
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def test_the_key_was_used_and_echoed(left):
    with faults.Store(left / "deploysim.db") as store:
        ends = [end for row in store.runs() for _, end in store.rollouts(row["id"])]
    assert any("wrong key" in (end.reason or "") for end in ends)


def test_the_key_stands_in_no_file_and_no_row(left):
    files = [path for path in left.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        for data in texts(path):
            assert not [form for form in FORMS if form.encode() in data], path
    for table, _, text in faults.rows(left / "deploysim.db"):
        assert not [form for form in FORMS if form in text], table


def test_what_holds_traces_is_for_its_owner_only(left):
    names = [p for p in left.rglob("*") if p.suffix in {".db", ".db-wal", ".db-shm"} or p.parent.suffix == ".index"]
    assert names
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in names} <= {"0o600"}


def test_the_manifest_names_no_key(left):
    with faults.Store(left / "deploysim.db") as store:
        assert all("KEY" not in json.dumps(row["manifest"]).upper().replace("MONKEY", "") for row in store.runs())
