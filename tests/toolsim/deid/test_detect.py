"""What the built-in detectors find, and what they leave alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.deid import people
from toolsim.deid.detect import find

FOUND = [
    ("cd /Users/alice/proj", "user", "alice"),
    ('"cwd": "/home/soph.lee/x"', "user", "soph.lee"),
    (r"C:\Users\jdoe\src", "user", "jdoe"),
    (r"C:\\Users\\John Smith\\src", "user", "John Smith"),
    ("file%3A%2F%2FUsers%2Fdora%2Fnotes", "user", "dora"),
    (r"done\n/home/mallory/x", "user", "mallory"),
    ("-rw-r--r--@ 1 mallory  staff  12 Nov  3 10:00 a.py", "user", "mallory"),
    ("mallory@fuji ~ % ls", "host", "fuji"),
    ("ssh deploy@build-7 uptime", "host", "build-7"),
    ("curl http://db1.prod.internal:5432", "host", "db1.prod.internal"),
    ("Linux buildbox7 5.15.0-91-generic #1 SMP", "host", "buildbox7"),
    ("Author: Jane Doe <jane.doe@corp.io>", "person", "Jane Doe"),
    ("Author: Jane Doe <jane.doe@corp.io>", "email", "jane.doe@corp.io"),
    ("Signed-off-by: stefan <stefan@haubi.de>", "person", "stefan"),
    ("to=jane%40corp.io&x=1", "email", "jane%40corp.io"),
    (r"mail\nbob.ray@corp.io\n", "email", "bob.ray@corp.io"),
    ("listening on 10.20.30.40:80", "ip", "10.20.30.40"),
    ("GET http://54.12.9.77/", "ip", "54.12.9.77"),
    ("addr fe80::1ff:fe23:4567:890a/64", "ip", "fe80::1ff:fe23:4567:890a"),
    ("ether a4:83:e7:12:34:56", "mac", "a4:83:e7:12:34:56"),
    ("call +1 415-555-2671 now", "phone", "+1 415-555-2671"),
    ("call (415) 555-2671 now", "phone", "(415) 555-2671"),
    ("card 4111 1111 1111 1234 no, 4012 8888 8888 1881", "card", "4012 8888 8888 1881"),
    ("ssn 123-45-6789", "id_number", "123-45-6789"),
    ("IBAN DE89 3704 0044 0532 0130 00", "id_number", "DE89 3704 0044 0532 0130 00"),
    ("AKIA2E0A8F3B244C9986", "token", "AKIA2E0A8F3B244C9986"),
    ("x=ghp_16C7e42F292c6912E7710c838347Ae178B4a", "token", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("Authorization: Bearer dGhpcy1pcy1hLXRva2Vu4Q", "token", "dGhpcy1pcy1hLXRva2Vu4Q"),
    ("API_KEY='a8f5f167f44f4964e6c998dee827110c'", "secret", "a8f5f167f44f4964e6c998dee827110c"),
    (r'{\"password\": \"Tr0ub4dor&3x\"}', "secret", "Tr0ub4dor"),
    ("postgres://app:S3cr3tPw9@db:5432/x", "secret", "S3cr3tPw9"),
]  # fmt: skip

LEFT = [
    "/home/runner/work and /root/x and /Users/Shared", "git@github.com:owner/repo.git", "npm i left-pad@1.3.0",
    "Co-Authored-By: Claude <noreply@anthropic.com>", "user@example.com", "version 1.2.3.4 and v10.20.30.40",
    "127.0.0.1 0.0.0.0 8.8.8.8", "std::vec::Vec a::b::c", "12:34:56:78", "+1234567890\n+2345678901",
    "token = get_token(user)", "password: process.env.PASSWORD", "const secret_key = settings.SECRET_KEY",
    'api_key: "your-api-key-here"', "/api/Users/12/home/", "test_token_123 = make()", "threading.local()",
    "decorator @app.route", "2024-01-02 10:11:12", "sk-navbar-item-active",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "value"), FOUND)
def test_a_value_is_found(text, kind, value):
    assert (kind, value) in {(found.kind, found.value) for found in find(text)}


@pytest.mark.parametrize("text", LEFT)
def test_what_identifies_nobody_is_left_alone(text):
    assert find(text) == ()


def test_every_line_of_a_private_key_is_found_also_where_line_ends_are_escaped():
    lines = [
        "MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW9a",
        "nKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW9zz",
        "Zm9vYmFyMTIzNDU2Nzg5MA==",
    ]
    for end in ("\n", "\\n"):
        block = end.join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])
        found = [one.value for one in find(block) if one.kind == "private_key"]
        assert [line in value or value in line for value, line in zip(found, lines, strict=True)] == [True] * 3
        assert all(len(value) >= len(line) - 1 for value, line in zip(found, lines, strict=True))


def test_a_name_that_is_a_word_is_marked_and_others_are_not():
    assert [(one.value, one.word) for one in find("/home/entity/x /home/soph/y")] == [("entity", True), ("soph", False)]


_PLAIN_HOME = re.compile(
    r"(?:/|%2[Ff]|\\{1,4}|%5[Cc])(?:home|Users)(?:/|%2[Ff]|\\{1,4}|%5[Cc])[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
    r"(?: [A-Za-z][\w.-]*){0,2}?"
)


@given(st.lists(st.sampled_from(["home", "Users", "/", "\\", "%2F", "%2f", "%5C", "%5c", "F", "c", "bob", ".", "x "])))
def test_homes_are_where_the_plain_form_of_the_rule_finds_them(parts):
    text = "".join(parts)  # the program looks for the word first and for the separator before it then
    found = [people._separator(text, match.start()) for match in people._HOME.finditer(text)]
    assert found == [match.start() for match in _PLAIN_HOME.finditer(text)]
