"""Every command that the sandbox computes is compared with real bash in a real checkout: output, code, files."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolsim.shell.base import ShellRun

COMMANDS = """
cat README.md
cat README.md src/app.py
cat -n src/app.py
cat -A README.md
cat missing.txt
head -n 3 src/app.py
head -2 src/app.py data/numbers.txt
head -c 7 README.md
tail -n 2 data/numbers.txt
tail -n +3 src/app.py
sed -n '2,4p' src/app.py
sed 's/a/A/g' data/table.csv
sed -n '/class/,$p' src/app.py
sed -i 's/31/32/' data/table.csv && cat data/table.csv
grep -n def src/app.py src/lib/util.py
grep -c e data/table.csv
grep -i TITLE README.md
grep -l return src/app.py src/lib/util.py
grep -v , data/table.csv
grep -o '[0-9]*' data/numbers.txt
grep -E 'ann|bob' data/table.csv
grep zzz README.md
grep -A1 -B1 TODO src/app.py
grep -q def src/app.py && echo found
grep x missing
egrep -n 'd.f' src/app.py
wc data/table.csv
wc -l src/app.py README.md
wc -c < README.md
sort data/numbers.txt
sort -n data/numbers.txt
sort -rn data/numbers.txt | uniq -c
sort -t, -k2,2n data/table.csv
cut -d, -f1,3 data/table.csv
tr a-z A-Z < data/table.csv
awk -F, '{print $2, $1}' data/table.csv
awk 'NR>1 {s+=$1} END {print s, NR}' data/numbers.txt
awk '/def/{print FILENAME": "FNR}' src/app.py
paste -d: data/numbers.txt data/numbers.txt
nl src/app.py
tac data/numbers.txt
rev data/table.csv
ls
ls -a docs
ls -1 src
ls -R docs
ls missing
ls -F
find src -type f | sort
find . -name '*.md' -not -path './.git/*' | sort
find docs -type d
find . -maxdepth 1 -type f | sort
find src -name '*.py' -exec grep -l return {} +
find src -empty
find src -size -1k -name '*.py'
find src -name '*.py' | xargs wc -l
find src -name '*.py' -print0 | xargs -0 -n1 basename | sort
diff data/numbers.txt data/table.csv
diff src/app.py src/app.py
diff -q README.md run.sh
cmp README.md run.sh
md5sum README.md
sha256sum data/table.csv
base64 data/numbers.txt
od -c data/numbers.txt | head -3
stat -c '%n %s' README.md
basename src/app.py .py; dirname src/app.py; realpath src/../README.md
pwd; cd src/lib && pwd && ls
echo a b   c; echo 'x  y'; printf '%s-%d\\n' q 3; echo -e 'a\\tb'; echo -n z
true && echo yes || echo no; false || echo other
for f in src/*.py data/*; do echo "<$f>"; done
for i in 1 2 3; do echo $((i * i)); done | tail -1
x=5; y=$((x+2)); echo "$y ${x}th"; [ $y -gt 6 ] && echo big; [[ $y == 7 ]] && echo seven
while read -r line; do echo "[$line]"; done < data/numbers.txt
case main in m*) echo starts;; *) echo not;; esac
f() { echo "f $1"; return 3; }; f x; echo $?
cat <<'EOF' > new.txt
line $x
EOF
cat > a/b.txt
echo one > made.txt; echo two >> made.txt; cat made.txt
mkdir -p n/m && touch n/m/t && ls -R n
mkdir src
rm README.md && ls
rm -rf docs src/lib; ls; ls src
rm missing
mv README.md docs/READ.md; cp -r src copy; ls -R copy docs/READ.md
cp missing x
ln -s README.md link && cat link && readlink link
chmod +x data/table.csv; test -x data/table.csv && echo x
./run.sh arg
sh run.sh; bash run.sh b
cat data/*.txt | grep -c .
cat "data/no newline.txt"; echo; wc "data/no newline.txt"
tee out1 out2 < data/numbers.txt | head -1; cat out2
cd missing
cd src; cat ../README.md; cd ..; cat src/lib/util.py
echo $(cat data/numbers.txt)
ls *.zip
seq 3 | paste -sd+ -
yes | head -3
printf 'b\\na\\n' | sort | tee s.txt; cat s.txt
(cd src && ls); ls data
{ echo a; echo b >&2; } 2>&1 | cat
ls | head -2; cat README.md | head -1 | tr -d '#'
exit 4
set -e; false; echo not reached
set -o pipefail; false | true; echo $?
echo "${HOME_NOT:-}x"; unset y; HOME_NOT=1
comm -12 <(sort data/numbers.txt) <(echo 2)
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


def commands() -> list[str]:
    """One command a line; a here-document spans lines up to `EOF`."""
    found: list[str] = []
    lines = iter(COMMANDS.strip().split("\n"))
    for line in lines:
        text = line
        while "<<'EOF'" in text and not text.endswith("\nEOF"):
            text += "\n" + next(lines)
        found.append(text.replace("\\\\", "\\"))
    return found


def tree_of(directory: Path) -> dict[str, tuple[bytes, bool] | str]:
    found: dict[str, tuple[bytes, bool] | str] = {}
    for top, names, files in os.walk(directory):
        if ".git" in names:
            names.remove(".git")
        for name in files:
            path = Path(top) / name
            key = path.relative_to(directory).as_posix()
            if path.is_symlink():
                found[key] = str(path.readlink())
            else:
                found[key] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def world_tree(world) -> dict[str, tuple[bytes, bool] | str]:
    found: dict[str, tuple[bytes, bool] | str] = {}
    for path in world.files_under(world.root):
        key = path.removeprefix(world.root + "/")
        if not key.startswith(".git/"):
            mode, content = world.mode(path), world.read(path)
            found[key] = os.fsdecode(content) if mode == 0o120000 else (content, bool(mode & 0o111))
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory, toolbox_cache, repository_at):
    directory = tmp_path_factory.mktemp("original") / "work"
    directory.mkdir()
    repository_at(directory)
    return directory


def copied(original: Path, copy: Path) -> Path:
    subprocess.run(["rm", "-rf", copy], check=True)
    subprocess.run(["cp", "-a", original, copy], check=True)
    return copy


async def difference(place, command: str, original: Path, real) -> str | None:
    """Run `command` in the sandbox and for real in a copy of the original; what differs in anything seen."""
    found = await place.try_run(command)
    if not isinstance(found, ShellRun):
        return f"{command!r}: {found}"
    copy = copied(original, place.scratch / "copy")
    expected = real(command, copy)
    shown = [text.replace(str(copy), str(original)) for text in (expected.stdout, expected.stderr)]
    ours = (found.output.stdout, found.output.stderr, found.output.exit_code)
    if ours != (*shown, expected.returncode):
        return f"{command!r}: {ours} is not {(*shown, expected.returncode)}"
    if world_tree(place.world) != tree_of(copy):
        return f"{command!r}: files {world_tree(place.world)} are not {tree_of(copy)}"
    return f"{command!r}: asked for {place.runs}" if place.runs else None


@pytest.mark.parametrize("part", range(6))
async def test_commands_agree_with_real_bash(part, place_of, original, real):
    first, differences = place_of(repository=original), []
    for command in commands()[part::6]:
        place = replace(first, world=first.world.fork(), runs=[])
        differences.append(await difference(place, command, original, real))
    assert len(differences) >= 20
    assert [d for d in differences if d is not None] == []


WORDS = st.sampled_from(["alpha", "beta", "b b", "10", "9", "Über", "x,y", "", "a\tb", "-", "#c"])
FILTERS = st.sampled_from([
    "cat", "sort", "sort -r", "sort -n", "uniq", "uniq -c", "head -n 2", "tail -n 2", "wc -l", "wc", "grep a",
    "grep -v a", "grep -n -i B", "tr a-z A-Z", "cut -c1-2", "rev", "nl", "sed 's/a/Z/'", "sed -n '2p'",
    "awk '{print NF}'", "tac", "cut -d, -f1", "fold -w 3", "paste -s", "cat -A",
])  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(WORDS, max_size=6), filters=st.lists(FILTERS, min_size=1, max_size=3), ends=st.booleans())
def test_pipelines_of_filters_agree_with_real_bash(lines, filters, ends, place_of, original, real):
    text = "\n".join(lines) + ("\n" if ends else "")
    command = f"printf %s {shlex.quote(text)} | " + " | ".join(filters)
    place = place_of(repository=original)
    found = asyncio.run(place.run(command))
    asyncio.run(place.shell.close())
    expected = real(command, original)
    assert (found.output.stdout, found.output.exit_code) == (expected.stdout, expected.returncode)
