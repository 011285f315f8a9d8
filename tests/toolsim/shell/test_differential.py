"""What an engine answers is what real bash does, in a real checkout: both streams, exit code, files and directories.

What it cannot do exactly it refuses or asks for. The lines are those of `tests/fixtures/shell_corpus.txt`, over one
tree, and forms of the common programs over generated trees. `benchmarks/shell_differential.py` prints the counts.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import container_engine
from toolsim.shell.base import ShellRun
from toolsim.shell.choice import Choice, open_shell
from toolsim.shell.differential import (
    Case,
    Reference,
    compare,
    directories_of,
    files_of,
    files_of_world,
    make_repository,
    read_cases,
    run_for_real,
    world_of,
)

CASES = tuple(read_cases((Path(__file__).parents[2] / "fixtures/shell_corpus.txt").read_text("utf-8")))
GROUPS = tuple(dict.fromkeys(case.group for case in CASES))
# So many of all lines are answered at least: an engine that refused all would have no fault.
ANSWERED = {"sandbox": 0.95, "bashkit": 0.85, "container": 0.95}
# Of the lines of a group every so many are tried: a container takes a quarter of a second to start.
EVERY = {"container": 4}

GIT = """
git status
git status --short
git log --oneline
git log -1 --format='%h %an %s %ad' --date=iso
git show --stat
git show HEAD:README.md
git diff
echo more >> README.md; git diff
echo more >> README.md; git add -A; git diff --cached --stat; git status -s
rm run.sh; git status --porcelain; git checkout run.sh; git status -s; ls
git ls-files
git ls-files src | wc -l
git blame -s README.md
git grep -n return
git rev-parse HEAD; git rev-parse --abbrev-ref HEAD; git rev-parse --show-toplevel
git branch --show-current
git checkout -b topic; echo t > t; git add t; git stash; git stash pop; git status -s
git log --oneline -- src/app.py; git log -p --follow -- data/numbers.txt | head -20
git check-ignore -v x.log; touch x.log; git status -s
git mv README.md R.md; git status -s
git reset --hard; git clean -nd
git describe --always; git merge-base HEAD HEAD; git tag v1; git tag
git cat-file -p HEAD | head -2; git ls-tree HEAD
git diff --no-index --stat README.md run.sh
"""


def _choice(engine):
    return Choice(engine, {}, container_engine.image() if engine == "container" else None)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """One repository, and what real bash does in it."""
    scratch = tmp_path_factory.mktemp("reference")
    (scratch / "work").mkdir()
    (scratch / "commit").write_text(make_repository(scratch / "work"))
    return Reference(scratch / "work", scratch)


def test_the_corpus_is_long_and_says_nothing_twice():
    assert len(CASES) >= 300
    assert [command for command, n in Counter(case.command for case in CASES).items() if n > 1] == []


@pytest.mark.parametrize("group", GROUPS)
async def test_no_answer_of_an_engine_differs_from_real_bash(engine, group, reference):
    world = world_of(reference.original, (reference.scratch / "commit").read_text())
    shell = open_shell(_choice(engine), reference.scratch / "engine", "main", None)
    cases = [case for case in CASES if case.group == group][:: EVERY.get(engine, 1)]
    found = [await compare(shell, world, case, reference) for case in cases]
    await shell.close()
    assert [(c.case.command, c.detail) for c in found if c.verdict == "different"] == []
    assert Counter(c.verdict for c in found)["equal"] > 0.55 * len(found)


async def test_an_engine_answers_most_lines(engine, reference):
    world = world_of(reference.original, (reference.scratch / "commit").read_text())
    shell = open_shell(_choice(engine), reference.scratch / "engine", "main", None)
    sample = CASES[::5]
    found = Counter([(await compare(shell, world, case, reference)).verdict for case in sample])
    await shell.close()
    assert found["equal"] >= ANSWERED[engine] * len(sample)


@pytest.mark.parametrize("part", range(3))
async def test_git_in_the_sandbox_agrees_with_real_git(part, place_of, reference, tmp_path):
    first, differences = place_of(repository=reference.original), []
    for command in GIT.strip().split("\n")[part::3]:
        place = replace(first, world=first.world.fork(), runs=[])
        found = await place.run(command)
        copy = tmp_path / "copy" / reference.original.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(reference.original, copy, symlinks=True)
        real = run_for_real(command, copy)
        shown = [text.replace(str(copy), str(reference.original)) for text in (real.stdout, real.stderr)]
        ours = (found.output.stdout, found.output.stderr, found.output.exit_code, files_of_world(place.world))
        if ours != (*shown, real.returncode, files_of(copy)) or place.runs:
            differences.append((command, ours, shown, place.runs))
    assert differences == []


WORDS = st.sampled_from(["alpha", "beta", "b b", "10", "9", "Über", "x,y", "", "a\tb", "-", "#c"])
FILTERS = st.sampled_from([
    "cat", "sort", "sort -r", "sort -n", "uniq", "uniq -c", "head -n 2", "tail -n 2", "wc -l", "wc", "grep a",
    "grep -v a", "grep -n -i B", "tr a-z A-Z", "cut -c1-2", "rev", "nl", "sed 's/a/Z/'", "sed -n '2p'",
    "awk '{print NF}'", "tac", "cut -d, -f1", "fold -w 3", "paste -s", "cat -A",
])  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(WORDS, max_size=6), filters=st.lists(FILTERS, min_size=1, max_size=3), ends=st.booleans())
def test_pipelines_of_filters_agree_with_real_bash(lines, filters, ends, engine, place_of, reference):
    text = "\n".join(lines) + ("\n" if ends else "")
    command = f"printf %s {shlex.quote(text)} | " + " | ".join(filters)
    place = place_of(repository=reference.original, engine=engine)
    found = asyncio.run(place.try_run(command))
    asyncio.run(place.shell.close())
    if isinstance(found, ShellRun):
        expected = run_for_real(command, reference.original)
        assert (found.output.stdout, found.output.exit_code) == (expected.stdout, expected.returncode)


NAMES = st.sampled_from(["a.py", "b.py", "B.md", "c", "d e.txt", "lib", "x-1.txt", ".env.sample", "Z.py", "é.md"])
CONTENTS = st.lists(WORDS, max_size=5).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "".join(line + "\n" for line in lines)])
)
PLACES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FORMS = st.sampled_from([
    "ls", "ls -1 sub", "ls -R sub", "ls -A sub", "find sub | sort", "find sub -type f | sort",
    "find sub -name '*.py' | sort", "find sub -type d | wc -l", "find sub -name '*.md' -o -name 'c' | sort",
    "grep -rn a sub | sort", "grep -rl a sub | sort", "grep -rc a sub | sort",
    "grep -rin B sub --include='*.py' | sort", "grep -rh . sub | sort | uniq -c", "wc -l sub/*", "cat sub/*",
    "for f in sub/*; do echo \"$f\"; done", "head -n 1 sub/*", "tail -n 1 sub/* 2>/dev/null",
    "find sub -type f | sort | xargs -d '\\n' wc -l", "find sub -name '*.py' -exec wc -c {} \\; | sort", "du -a sub",
    "cd sub && ls", "echo sub/*", "echo sub/*/*", "cp -r sub copy && find copy | sort",
    "mv sub moved; find moved | sort", "rm -r sub; ls", "mkdir sub/new && ls sub",
    "echo x > sub/new.txt; cat sub/new.txt", "sed -i s/a/Z/ sub/*.py; cat sub/*.py", "sort sub/*.py",
    "ls sub | wc -l", "[ -d sub/lib ] && echo yes || echo no", "test -f sub/c && cat sub/c",
    "while read -r l; do echo \"<$l>\"; done < sub/a.py", "find sub -empty | sort",
    "find sub -size +0 -type f | sort",
])  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(PLACES, CONTENTS, min_size=1, max_size=6), forms=st.lists(FORMS, min_size=4, max_size=8))
def test_forms_of_the_common_programs_agree_with_real_bash_over_any_tree(files, forms, engine):
    with tempfile.TemporaryDirectory(prefix="tree-") as scratch:
        original = Path(scratch) / "work"
        original.mkdir()
        kept = {f"sub/{name}": text for name, text in files.items() if not _inside_a_file(name, files)}
        commit = make_repository(original, kept)
        found = asyncio.run(_compared(engine, original, commit, forms, Path(scratch)))
    assert [(c.case.command, c.detail) for c in found if c.verdict == "different"] == []


def _inside_a_file(name: str, files: dict[str, str]) -> bool:
    return any(name.startswith(other + "/") for other in files)


async def _compared(engine, original, commit, forms, scratch):
    shell = open_shell(_choice(engine), scratch / "engine", "main", None)
    world, reference = world_of(original, commit), Reference(original, scratch)
    try:
        return [await compare(shell, world, Case("any tree", form), reference) for form in forms]
    finally:
        await shell.close()


def test_directories_and_files_of_a_tree_are_seen_without_those_of_git(reference):
    assert "src/lib" in directories_of(reference.original)
    assert not any(
        name.startswith(".git/") for name in (*files_of(reference.original), *directories_of(reference.original))
    )
