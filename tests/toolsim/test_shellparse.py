"""Command lines taken apart: programs, redirections, read-only lines, classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.shellparse import Redirection, command_class, is_read_only, parse, programs


@pytest.mark.parametrize(("command", "names"), [
    ("cd /x && FOO=1 python -m pytest $A 2>&1 | tail -3 > out.txt", ("cd", "python", "tail")),
    ("for f in *.py; do wc -l \"$f\"; done", ("wc",)),
    ("timeout 5 bash -c 'ls -l; foo'", ("timeout", "bash", "ls", "foo")),
    ("ls | xargs -n 1 -I{} rm {}", ("ls", "xargs", "rm")),
    ("env -i A=1 nice -n 5 make", ("env", "nice", "make")),
    ("find . -exec node {} \\;", ("find", "node")),
    ("x=$(date +%s); echo `id`", ("date", "echo", "id")),
    ("cat <<'EOF' | sh\nrm -rf /\nEOF", ("cat", "sh")),
    ("if grep -q a b; then make; else gcc; fi", ("grep", "make", "gcc")),
    ("", ()),
    ("# only a comment", ()),
])  # fmt: skip
def test_the_programs_of_a_line_are_named_in_order(command, names):
    assert programs(command) == names


def test_redirections_variables_and_forms_are_found():
    line = parse('A=1; while read x; do echo "$x $HOME" >> log 2>/dev/null; done < in.txt & time ls')
    assert Redirection(">>", "log") in line.redirections
    assert Redirection(">", "/dev/null", "2") in line.redirections
    assert Redirection("<", "in.txt") in line.redirections
    assert line.read == {"x", "HOME"}
    assert {"A", "x"} <= line.assigned
    assert {"while", "&", "time"} <= line.keywords
    assert not parse("echo 'open").ok


@pytest.mark.parametrize("command", [
    "cat a | head -5", "grep -rn x . 2>/dev/null", "git -C x log --oneline -5 | cat",
    "sed -n '1,5p' f", "find . -name x",
    "git status && git diff", "ls -la; pwd", "git branch -a", "awk '{print $1}' f", "wc -l < f", "git stash list",
    "[[ -f a ]] && echo y", "timeout 5 cat f", "git config --get user.name", "rg foo src | sort | uniq -c",
])  # fmt: skip
def test_lines_that_change_nothing_are_read_only(command):
    assert is_read_only(command)


@pytest.mark.parametrize("command", [
    "echo x > f", "cat a >> b", "sed -i s/a/b/ f", "sed 's/a/b/w out' f", "rm f", "git commit -m x", "git checkout .",
    "find . -delete", "find . -exec rm {} +", "sort -o f f", "tee f < g", "git stash", "python x.py", "$CMD", "pytest",
    "awk '{print > \"f\"}' g", "f() { rm x; }; f", "echo 'open", "git diff --output=f", "xargs rm < l", "",
    "bash -c 'rm x'", "git branch new", "sed -n 'w out' f",
])  # fmt: skip
def test_lines_that_may_change_something_are_not_read_only(command):
    assert not is_read_only(command)


@pytest.mark.parametrize(("command", "name"), [
    ("cat a.py", "view"), ("sed -n '1,20p' a.py", "view"), ("head -3 x | nl", "view"),
    ("grep -rn x . | head", "search"),
    ("ls -la", "search"), ("rg foo", "search"), ("git log --oneline | head -5", "git-read"), ("git status", "git-read"),
    ("git commit -m x", "git-write"), ("git checkout -b y", "git-write"), ("git push", "network"), ("rm -rf x", "edit"),
    ("echo x > f", "edit"), ("sed -i s/a/b/ f", "edit"), ("make", "build"), ("go build ./...", "build"),
    ("tsc --noEmit", "build"), ("cd a && pytest -q 2>&1 | tail -5", "test"), ("go test ./...", "test"),
    ("npm run test:unit -- x", "test"), ("npx vitest run", "test"), ("python -m pytest", "test"),
    ("cargo test", "test"),
    ("make test", "test"), ("ruff check .", "lint"), ("npm run lint", "lint"), ("go vet ./...", "lint"),
    ("golangci-lint run", "lint"), ("python x.py", "run"), ("node -e 1", "run"), ("./script.sh", "run"),
    ("curl http://x", "network"), ("pip install x", "network"), ("npm install", "network"), ("gh pr view", "network"),
    ("echo hi", "other"), ("cd x", "other"), ("sleep 5", "other"), ("timeout 60 pytest", "test"),
    ("frobnicate", "other"),
])  # fmt: skip
def test_a_line_has_the_class_of_its_most_telling_part(command, name):
    assert command_class(command) == name


@pytest.mark.parametrize(
    "line", ["{\U00031860", "{\U000fffff", "${\U00031860", "\ud800", "\udc80 {\U00030000", "(" * 3000]
)
def test_a_line_that_no_shell_would_read_is_an_error_and_no_crash(line):
    parse(line)


def test_words_keep_their_characters():
    (invocation,) = parse("cat é.py '\U0001f600 x' \"ü$y\" > ñ.txt").invocations
    assert invocation.arguments == ("é.py", "\U0001f600 x", "ü$y")
    assert invocation.redirections[0].target == "ñ.txt"


@given(st.text(max_size=60))
def test_any_text_can_be_taken_apart(text):
    programs(text)
    command_class(text)
    assert not (is_read_only(text) and ">" in text and parse(text).redirections == () and "rm" in programs(text))
