from __future__ import annotations

import pytest

from toolsim.settled import is_settled

FORMATTED = b"package x\n\nfunc f() {\n\treturn `a  \n  b`\n}\n"


@pytest.mark.parametrize(
    ("name", "text", "settled"),
    [
        ("x.go", FORMATTED, True),
        ("x.go", FORMATTED.replace(b"\treturn", b"    return"), False),
        ("x.go", FORMATTED.replace(b"{\n", b"{ \n"), False),
        ("x.go", FORMATTED.replace(b"\n\n", b"\n\n\n"), False),
        ("x.go", FORMATTED.rstrip(), False),
        ("x.go", FORMATTED + b"\n", False),
        ("x.ts", b"let x = 1;\n", False),
    ],
)
def test_a_go_file_is_settled_unless_its_text_plainly_breaks_the_form(name, text, settled):
    assert is_settled(name, text) is settled
