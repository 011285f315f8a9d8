"""Where BSD programs and zsh do the same as the GNU programs and bash that bashkit speaks: all else is not answered."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from toolsim import paths

if TYPE_CHECKING:
    from toolsim.world import World

# Options by program, each word as a whole; what takes a value may have it in the next word.
_ALIKE = {
    "awk": r"-F.*|-v.*", "basename": r"(?!)", "cat": r"-n", "comm": r"-[123]+", "cut": r"-[dfc].*", "diff": r"-q",
    "dirname": r"(?!)", "echo": r"-n", "grep": r"-[EFiclLnoqvwhHABCemrR0-9]+|--(in|ex)clude(-dir)?=.*",
    "egrep": r"-[iclLnoqvwhHABCem0-9]+", "fgrep": r"-[iclLnoqvwhHABCem0-9]+", "head": r"-n\d*|-\d+|-c\d*",
    "tail": r"-n[+\d]*|-\d+", "ls": r"-[1AFRd]+", "mkdir": r"-p", "mv": r"-f", "paste": r"-[sd].*", "printf": r"(?!)",
    "pwd": r"-[LP]", "rev": r"(?!)", "rm": r"-[rRf]+", "rmdir": r"(?!)", "sort": r"-[nrukt].*", "tee": r"-a",
    "test": r".*", "tr": r"-[ds]", "true": r".*", "env": r"(?!)",
}  # fmt: skip
_FIND = frozenset({
    "-name", "-iname", "-path", "-ipath", "-not", "-o", "-a", "-type", "-maxdepth", "-mindepth", "-print",
    "-print0",
})  # fmt: skip
_SED = re.compile(r"\d*(,(\d+|\$))?p|\$p|\d+(,\d+)?d|s([/|#,])[^\\\n]*\4[^\\\n]*\4g?")


def differs(argv: tuple[str, ...]) -> str | None:
    """Why the BSD program of this name may do something else; `None` if it does the same."""
    name, words = argv[0].rpartition("/")[2], argv[1:]
    options = [w for w in words if w.startswith("-") and len(w) > 1]
    if name == "find":
        tests = {w for w in options if not re.fullmatch(r"-\d+", w)}
        alike = bool(words) and not words[0].startswith(("-", "(", "!")) and not words[0].endswith("/")
        return None if alike and tests <= _FIND else "find"
    if name == "sed":
        scripts = [w for w in words if not w.startswith("-")][:1]
        same = all(w in ("-n", "-E") for w in options) and bool(scripts) and _SED.fullmatch(scripts[0]) is not None
        return None if same else "sed"
    if name == "grep" and any(re.match(r"-\w*[rR]", w) for w in options) and len(words) - len(options) < 2:
        return "grep"
    known = _ALIKE.get(name)
    return None if known is not None and all(re.fullmatch(known, w) for w in options) else name


def unmatched(command: str, world: World, cwd: str) -> str | None:
    """An unquoted pattern of names of which it is not certain that it matches: zsh stops at one without a match."""
    bare = re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|<<'?(\w+)'?.*?\n\1\b", " ", command, flags=re.S)
    for word in re.split(r"[\s;&|()<>]+", bare):
        if re.search(r"[*?]|\[.+\]", word) and not _matches(word, world, cwd):
            return word
    return None


def _matches(word: str, world: World, cwd: str) -> bool:
    directory, _, pattern = word.rpartition("/")
    if re.search(r"[*?\[$~]", directory) or "$" in pattern:
        return False
    names = world.listdir(paths.canonical(directory or ("/" if word.startswith("/") else "."), cwd))
    return isinstance(names, tuple) and any(fnmatchcase(n, pattern) and not n.startswith(".") for n in names)
