"""Rows of a Parquet file as JSON values, a batch at a time (extra `parquet`: pyarrow)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from harness.importers.base import Skipped
from harness.importers.reading import Record

MAGIC = b"PAR1"
_BATCH = 256


def read_rows(path: Path, wanted: Sequence[str]) -> Iterator[Record | Skipped]:
    """The rows with their numbers from 1, of a file that has one of the wanted columns."""
    try:
        from pyarrow.lib import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        yield Skipped(str(path), "file", "Parquet needs pyarrow: pip install 'deploysim[parquet]'")
        return
    number = 0
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            if not set(wanted) & set(names):
                yield Skipped(str(path), "file", f"Parquet without a column {' or '.join(wanted)}")
                return
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(number, _plain(row))
    except (ArrowException, OSError, ValueError) as error:
        yield Skipped(str(path), f"row {number + 1}", f"rest unread: {' '.join(str(error).split())[:160]}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
