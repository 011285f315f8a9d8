import pytest

from harness.importers.sniffing import head_records, key_paths


@pytest.mark.parametrize(
    ("head", "paths"),
    [
        (b'{"a": {"b": [1, {"c": "{\\"d\\": 1}"}]}, "e": "f"}', {"a", "a.b", "a.b[].c", "e"}),
        (b'[[{"a": 1}], "x"]', {"[][].a"}),
        (b'{"a": "x"}\n{"b": {}}\n', {"a", "b"}),
        (b'{"a": [{"b": "cut he', {"a", "a[].b"}),
        (b'{"a": {"b": {"c": {"d": 1}}}}', {"a", "a.b", "a.b.c"}),
        (b"", set()),
        (b'}]"a": {', {"a"}),
    ],
)
def test_key_paths_are_those_of_the_json_also_where_it_is_cut(head, paths):
    assert key_paths(head, depth=3) >= paths
    assert key_paths(head, depth=3) <= paths | {"a"}


def test_a_head_of_nothing_but_brackets_is_looked_at_quickly():
    assert key_paths(b'{"a": 1, "b": ' + b"[" * 65_000) == {"a", "b"}


def test_records_of_a_head_are_its_whole_lines_and_glued_ones():
    head = b"""{"a": 1}\n[1]\n{"type":"x"}{"type":"y"}\n{"cut": """
    assert head_records(head) == ({"a": 1}, {"type": "x"}, {"type": "y"})
