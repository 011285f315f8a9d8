"""Bill of materials (CycloneDX) and audit of the pinned dependencies.

python benchmarks/dependencies.py [--lock requirements.lock] [--output build/sbom.json]

Needs the programs `cyclonedx-py` and `pip-audit` beside this Python (`make lint` brings them into a place of their
own). Says how many dependencies a vulnerability service knew; ends with 1 if one of them has a known vulnerability. A
dependency that no service knew is not audited: where none could be reached that is said, and is no pass.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def program(name: str) -> str:
    """The path of a program beside this Python."""
    return str(Path(sys.executable).parent / name)


def bill(lock: Path, output: Path) -> int:
    """Write the bill of materials; how many components it has."""
    output.parent.mkdir(parents=True, exist_ok=True)
    words = [program("cyclonedx-py"), "requirements", str(lock), "--of", "JSON", "-o", str(output)]
    subprocess.run(words, check=True, capture_output=True)
    return len(json.loads(output.read_text("utf-8"))["components"])


def audit(lock: Path) -> list[dict[str, Any]]:
    """What a vulnerability service says of each dependency: `vulns`, or `skip_reason` where it knows none."""
    quiet = ("-f", "json", "--progress-spinner", "off")
    words = [program("pip-audit"), "-r", str(lock), "--disable-pip", "--require-hashes", *quiet]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise SystemExit(f"the audit failed: {done.stderr.strip()[-500:]}") from None
    return found


def told(found: list[dict[str, Any]]) -> tuple[str, bool]:
    """The audit in words, and whether it found anything."""
    known = [one for one in found if "vulns" in one]
    bad = [one for one in known if one["vulns"]]
    lines = [f"{one['name']} {one['version']}: {', '.join(v['id'] for v in one['vulns'])}" for one in bad]
    if not known:
        lines.append(f"NOT AUDITED: no vulnerability service knew any of the {len(found)} dependencies")
    else:
        lines.append(f"{len(known)} of {len(found)} dependencies audited, {len(bad)} with known vulnerabilities")
    return "\n".join(lines), bool(bad)


def main() -> None:
    """Write the bill, audit, and say so."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lock", type=Path, default=Path("requirements.lock"))
    parser.add_argument("--output", type=Path, default=Path("build/sbom.json"))
    given = parser.parse_args()
    print(f"{given.output}: {bill(given.lock, given.output)} components")
    text, bad = told(audit(given.lock))
    print(text)
    sys.exit(bad)


if __name__ == "__main__":
    main()
