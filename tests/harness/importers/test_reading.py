import gzip
import json

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from harness.importers import reading
from harness.importers.base import Skipped
from harness.importers.reading import Damaged, Record, parse_json, read_document, read_head, read_records
from toolsim.trajectory import canonical_json

PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd in frames": lambda data: b"".join(
        zstandard.ZstdCompressor().compress(data[i : i + 7]) for i in range(0, len(data), 7)
    ),
}


@pytest.mark.parametrize("packing", PACKERS)
def test_records_are_read_through_any_packing_with_their_line_numbers(tmp_path, packing):
    path = tmp_path / "anything"
    path.write_bytes(PACKERS[packing](b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": 2}'))
    assert list(read_records(path)) == [Record(1, {"a": 1}), Record(3, {"a": 2})]
    assert read_head(path, 8).startswith(b'{"a"')


def test_a_torn_last_line_is_named_and_the_rest_is_kept(tmp_path):
    path = tmp_path / "torn.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": "half')
    first, second = read_records(path)
    assert first == Record(1, {"a": 1})
    assert isinstance(second, Skipped)
    assert second.where == "line 2"


def test_two_records_on_one_line_are_both_read(tmp_path):
    path = tmp_path / "glued.jsonl"
    path.write_bytes(b'{"type": "a"}{"type": "b"}\n{"type": "tor{"type": "c"}\n'.replace(b": ", b":"))
    *records, torn, last = read_records(path)
    assert [r.value["type"] for r in [*records, last]] == ["a", "b", "c"]
    assert torn.where == "line 2"


def test_an_overlong_line_is_named_without_being_held(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 3_000_000)
    path = tmp_path / "long.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": "' + b"x" * 5_000_000 + b'"}\n{"a": 2}\n')
    first, skipped, last = read_records(path)
    assert (first.value, last.value, last.line) == ({"a": 1}, {"a": 2}, 3)
    assert skipped.where == "line 2"
    assert "5 MiB" in skipped.reason


def test_a_compression_bomb_ends_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_UNPACKED_BYTES", 4_000_000)
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 4_000_000)
    path = tmp_path / "bomb.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(b"0" * 30_000_000))
    assert any("unpacks to over" in skipped.reason for skipped in read_records(path))
    assert "over" in read_document(path).reason


def test_a_cut_compressed_file_keeps_what_can_be_unpacked(tmp_path):
    path = tmp_path / "cut.gz"
    lines = b"".join(b'{"a": %d}\n' % number for number in range(50_000))
    path.write_bytes(gzip.compress(lines)[:-2000])
    found = list(read_records(path))
    assert any(isinstance(record, Record) for record in found)
    assert any(isinstance(s, Skipped) and "damaged compressed data" in s.reason for s in found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": NaN, "b": 1e999}', {"a": "NaN", "b": "1e999"}),
        (r'"\ud83d and \ud83d\ude00"', "\ufffd and \U0001f600"),
        (r'{"\udc00": ["\ud800"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_what_json_cannot_store_again_is_made_storable(text, value):
    assert parse_json(text) == value
    canonical_json(parse_json(text)).encode()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, "\x00\x01", "", '"half'])
def test_unusable_json_is_damaged_never_a_crash(text):
    with pytest.raises(Damaged):
        parse_json(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "f"
    for packed in (data, b"\x28\xb5\x2f\xfd" + data, b"\x1f\x8b" + data):
        path.write_bytes(packed)
        for record in read_records(path):
            assert isinstance(record, Record | Skipped)
        read_head(path)
        read_document(path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_parsing_gives_back_what_was_written(value):
    assert parse_json(json.dumps(value)) == value
