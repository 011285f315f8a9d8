"""One file from the model hub, if it can be reached at once."""

from __future__ import annotations

from pathlib import Path

import httpx2
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled


def bring(repository: str, file: str, folder: Path, seconds: float) -> bool:
    """Whether the hub answered within `seconds` and the file is now in `folder` (resumed where it had been begun)."""
    try:
        get_hf_file_metadata(hf_hub_url(repository, file), timeout=seconds)
        hf_hub_download(repository, file, local_dir=folder, etag_timeout=seconds)
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx2.HTTPError, OSError):
        return False
    return True
