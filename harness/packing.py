"""How a store keeps long values: JSON or text, compressed with zstd. Pure."""

from __future__ import annotations

import zstandard

_MAX_BODY = 1 << 31


def pack(data: bytes) -> bytes:
    """The bytes, compressed; `unpack` is the inverse."""
    return zstandard.ZstdCompressor(level=6).compress(data)


def unpack(data: bytes) -> bytes:
    """What `pack` was given."""
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BODY)
