"""Rollouts as ATIF v1.8 documents, provenance in `extra.deploysim_rollout`; our importer reads them without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from harness.exporters.files import file_name, new_file
from harness.exporters.rollouts import Exported
from harness.importers.atif_export import to_atif
from toolsim.trajectory import JsonObject

KEY = "deploysim_rollout"


def document(one: Exported) -> JsonObject:
    """The rollout as a document that the `atif` package validates."""
    made = to_atif(one.trajectory)
    made["extra"][KEY] = one.provenance()
    return made


def write_atif(rollouts: Iterator[Exported], folder: Path) -> list[Path]:
    """A file for each rollout.

    Raises:
        HarnessError: a file is there already, or cannot be written.
    """
    written = []
    for one in rollouts:
        path = new_file(folder, f"{file_name(one.trajectory.session.id)}.atif.json")
        path.write_text(json.dumps(document(one), ensure_ascii=True, indent=1), "utf-8")
        written.append(path)
    return written
