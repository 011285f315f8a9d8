"""The connector of docs/extending.md, run: it answers through the gate, and what it may not do is refused."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from toolsim.connectors import Fetched, Query

TEXT = (Path(__file__).parent.parent / "docs" / "extending.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)


async def run(capsys):
    names = {"__name__": "__main__"}
    for block in BLOCKS:
        done = eval(compile(block, "docs/extending.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(done):
            await done
    return names, capsys.readouterr().out


async def test_the_connector_answers_and_reaches_nobody_else(capsys):
    names, said = await run(capsys)
    assert "https://elsewhere.example/ is refused: its host is not one of www.rfc-editor.org" in said
    asked = []

    async def fetch(url, parameters):
        asked.append((url, dict(parameters)))
        return Fetched(url, 200 if "2119" in url else 404, b"Key words")

    rfc = names["Rfc"]()
    assert rfc.applies(Query(argv=("rfc", "2119")))
    assert not rfc.applies(Query(argv=("rfc", "--help")))
    found = await rfc.answer(Query(argv=("rfc", "2119")), fetch, 1.0)
    assert (found.exact, found.stdout) == (True, "Key words")
    assert await rfc.answer(Query(argv=("rfc", "1")), fetch, 1.0) is None
    assert asked[0] == ("https://www.rfc-editor.org/rfc/rfc2119.txt", {})


def test_it_is_as_short_as_the_page_says():
    assert sum(bool(line.strip()) for line in BLOCKS[0].splitlines()) <= 20
