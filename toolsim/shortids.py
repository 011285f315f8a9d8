"""How long git prints short ids in a session, as the output of its own git commands shows."""

from __future__ import annotations

import re
from collections import Counter

_ID = r"(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,12}"
_SHOWN = re.compile(
    rf"^(?:[*|/\\ ]*|index |Merge: |\[\S+(?: \(root-commit\))? )(?P<first>{_ID})(?=\s+\S|\]| ?\(|\.\.)|"
    rf"\b(?P<range>{_ID})\.\.\.?[0-9a-f]{{7,12}}\b",
    re.M,
)
_ALONE = re.compile(rf"^({_ID})$", re.M)
_OWN_WIDTH = re.compile(r"--abbrev\b|core\.abbrev|\b(?:blame|annotate)\b|\bcut\b|\bhead -c|\brange-diff\b")


def shown(command: str, output: str) -> int | None:
    """The usual length (hexadecimal digits) of the short ids in the output of a command line with git; `None` if it
    shows none, or at a width of the command's own choice.
    """
    if not re.search(r"\bgit\b", command) or _OWN_WIDTH.search(command):
        return None
    found = [m["first"] or m["range"] for m in _SHOWN.finditer(output)]
    if re.search(r"rev-parse\s+--short(?!=)", command):
        found += _ALONE.findall(output)
    lengths = Counter(len(name) for name in found)
    return lengths.most_common(1)[0][0] if lengths else None
