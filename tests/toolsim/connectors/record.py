"""Records the cassettes of `test_package_metadata.py` from the public package index (or a mirror that stands for it).

    python tests/toolsim/connectors/record.py

The address checks are off here only: some networks reach the index through a gateway of their own.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import vcr

from toolsim.connectors import Gate, Query
from toolsim.connectors.package_metadata import public_index

CASSETTES = Path(__file__).parent / "cassettes"
AS_OF = 1_640_000_000.0  # 2021-12-20
QUERIES = {
    "versions": Query(argv=("pip", "index", "versions", "iniconfig")),
    "unknown": Query(argv=("pip", "index", "versions", "deploysim-has-no-such-package")),
}


async def any_address(host: str, port: int) -> tuple[str, ...]:
    return ("1.1.1.1",)


async def main() -> None:
    index = public_index()
    assert index is not None, "no public index is known here: set DEPLOYSIM_PACKAGE_INDEX"
    host = index.base_url.removeprefix("https://")
    gate = Gate(resolve=any_address, allowed=lambda address: True)
    for name, query in QUERIES.items():
        with vcr.use_cassette(str(CASSETTES / f"{name}.yaml"), record_mode="all", filter_headers=["user-agent"]):
            print(await gate.ask(index, query, AS_OF))
    rename(host)


def rename(host: str) -> None:
    """The cassettes speak of `index.test`, whatever index they were recorded from."""
    for name in QUERIES:
        path = CASSETTES / f"{name}.yaml"
        path.write_text(path.read_text("utf-8").replace(host, "index.test"), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
