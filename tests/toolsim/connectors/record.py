"""Records the cassettes of `test_package_metadata.py` from the public package index (or a mirror that stands for it).

    python tests/toolsim/connectors/record.py

The address checks are off here only: some networks reach the index through a gateway of their own.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import vcr

from toolsim.connectors import Gate, Query
from toolsim.connectors.package_metadata import PackageMetadata

CASSETTES = Path(__file__).parent / "cassettes"
AS_OF = 1_640_000_000.0  # 2021-12-20
QUERIES = {
    "versions": Query(argv=("pip", "index", "versions", "iniconfig")),
    "unknown": Query(argv=("pip", "index", "versions", "deploysim-has-no-such-package")),
}


async def any_address(host: str, port: int) -> tuple[str, ...]:
    return ("1.1.1.1",)


async def main() -> None:
    gate = Gate(resolve=any_address, allowed=lambda address: True)
    for name, query in QUERIES.items():
        with vcr.use_cassette(str(CASSETTES / f"{name}.yaml"), record_mode="all", filter_headers=["user-agent"]):
            print(await gate.ask(PackageMetadata(), query, AS_OF))


if __name__ == "__main__":
    asyncio.run(main())
