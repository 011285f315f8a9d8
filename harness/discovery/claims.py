"""What an agent says that a call does or that it did, as classes of action, and what it did. Pure.

A claim is read from verbs by a fixed table. It is compared with the class of the call (`harness.callclass`), by code;
which of the two is right is for people to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERBS: dict[str, str] = {
    "search": "search|searches|searching|searched|look(?:s|ing|ed)?(?: \\w+)? up|find|finds|finding|found"
              "|grep|locate|locating|located|query|querying|queried|google",
    "view": "read|reads|reading|view|views|viewing|viewed|show|shows|showing|display|inspect|inspecting|inspected"
            "|look at|looking at|looked at|examine|examining|examined|list|lists|listing|listed"
            "|open|opening|opened|print",
    "edit": "edit|edits|editing|edited|update|updates|updating|updated|modify|modifying|modified|change|changing"
            "|changed|fix|fixes|fixing|fixed|write|writes|writing|wrote|create|creates|creating|created"
            "|add|adds|adding|added|replace|replacing|replaced|remove|removes|removing|removed|delete|deletes|deleting|deleted|rename|renamed"
            "|refactor|refactored|implement|implemented",
    "check": "test|tests|testing|tested|verify|verifies|verifying|verified|lint|linting|linted|build|building|built"
             "|compile|compiling|compiled|typecheck|validate|validating|validated|check|checks|checking|checked",
    "run": "run|runs|running|ran|execute|executing|executed|start|starting|started|launch|launching|launched"
           "|calculate|calculating|calculated|compute|computing|computed",
    "git write": "commit|commits|committing|committed|push|pushing|pushed|stage|staging|staged|merge|merging|merged"
                 "|rebase|rebased|stash|stashed|tag|tagged",
    "git read": "git status|git diff|git log|git show|git blame|diff|history",
    "outside": "install|installs|installing|installed|download|downloading|downloaded|fetch|fetching|fetched|upload"
               "|uploading|uploaded|ask|asking|asked|deploy|deploying|deployed",
}  # fmt: skip
_CLAIMS = {name: re.compile(rf"\b(?:{verbs})\b", re.IGNORECASE) for name, verbs in _VERBS.items()}
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_PLANNED = re.compile(
    r"\b(?:will|shall|should|would|could|can|let me|let's|next|please|you|to do|not|n't)\b", re.IGNORECASE
)
_DONE: dict[str, str] = {
    "search": "searched|looked(?: \\w+)? up|queried|grepped|located|found",
    "view": "read|viewed|inspected|looked at|examined|listed|opened|reviewed",
    "edit": "edited|updated|modified|changed|fixed|wrote|created|added|replaced|removed|deleted|renamed|refactored"
            "|implemented",
    "check": "tested|verified|linted|built|compiled|validated|(?:tests?|checks?|suite|build) (?:\\w+ )?(?:pass|passes"
             "|passed|succeed|succeeds|succeeded|is green|are green)",
    "run": "ran|executed|started|launched|calculated|computed",
    "git write": "committed|pushed|staged|merged|rebased|stashed|tagged",
    "outside": "installed|downloaded|fetched|uploaded|asked|deployed",
}  # fmt: skip
_SAID_DONE = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, words in _DONE.items()}
_FIRST_WORDS = 12


def claims_of(description: str) -> frozenset[str]:
    """The classes that a description of a call speaks of, in its first twelve words."""
    start = " ".join(description.split()[:_FIRST_WORDS])
    return frozenset(name for name, pattern in _CLAIMS.items() if pattern.search(start))


def said_done(text: str) -> frozenset[str]:
    """The classes that a closing text says were done; sentences that plan, ask or deny are left out."""
    found = set()
    for sentence in _SENTENCE.split(text):
        if not _PLANNED.search(sentence):
            found |= {name for name, pattern in _SAID_DONE.items() if pattern.search(sentence)}
    return frozenset(found)


def mismatches(claimed: Iterable[str], done: Iterable[str]) -> frozenset[str]:
    """`says X, does Y` for a description of which no claimed class is among those done; empty where one is."""
    said, did = sorted(claimed), sorted(done)
    if not said or set(said) & set(did):
        return frozenset()
    return frozenset(f"says {a}, does {b}" for a in said for b in did)
