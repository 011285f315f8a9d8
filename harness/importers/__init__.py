"""Recorded sessions from files of any known format."""

from __future__ import annotations

from harness.importers.base import Importer, Skipped
from harness.importers.detection import IMPORTERS, detect, importer_named, read_paths

__all__ = ["IMPORTERS", "Importer", "Skipped", "detect", "importer_named", "read_paths"]
