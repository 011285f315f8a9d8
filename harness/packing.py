"""How a store keeps long values: JSON or text, compressed with zstd. Pure."""

from __future__ import annotations

import threading

import zstandard

_MAX_BODY = 1 << 31
_LEVEL = 3
_OWN = threading.local()


def pack(data: bytes) -> bytes:
    """The bytes, compressed; `unpack` is the inverse."""
    found: zstandard.ZstdCompressor | None = getattr(_OWN, "compressor", None)
    if found is None:
        found = _OWN.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return found.compress(data)


def unpack(data: bytes) -> bytes:
    """What `pack` was given."""
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BODY)
