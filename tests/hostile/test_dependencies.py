"""What the audit of dependencies says: found, none found, and not audited at all."""

from __future__ import annotations

import pytest

from tests.programs import benchmark

dependencies = benchmark("dependencies")
CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}, {"id": "CVE-2"}]}
UNKNOWN = {"name": "c", "version": "3", "skip_reason": "not found"}


@pytest.mark.parametrize(("found", "text", "bad"), [
    ([CLEAN, UNKNOWN], "1 of 2 dependencies audited, 0 with known vulnerabilities", False),
    ([CLEAN, BAD], "b 2: PYSEC-1, CVE-2\n2 of 2 dependencies audited, 1 with known vulnerabilities", True),
    ([UNKNOWN], "NOT AUDITED: no vulnerability service knew any of the 1 dependencies", False),
])  # fmt: skip
def test_the_audit_is_told_plainly(found, text, bad):
    assert dependencies.told(found) == (text, bad)
