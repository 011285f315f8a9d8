"""The child process behind `toolsim.embedded`: serves one GGUF file until its standard input closes.

Run as a file with one JSON argument; prints the address on one line when it is ready. It imports nothing of the
project, so that it starts the same way however the project is installed.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

_PROMPT_CACHE_MIB = 2_048
_SILENT = 0


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    cores = int(os.environ.get("DEPLOYSIM_THREADS") or 0) or os.cpu_count() or 1
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["weights"]
    parameters.model_alias = {settings["name"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = settings["context"] * settings["slots"]
    parameters.n_parallel = settings["slots"]
    parameters.kv_unified = False
    parameters.cpuparams.n_threads = cores
    parameters.cpuparams_batch.n_threads = cores
    parameters.cache_prompt = True
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.verbosity = _SILENT
    parameters.ui = False
    return parameters


def main() -> int:
    """Serve; 0 when told to stop, 1 when the file cannot be served (the reason on stderr)."""
    xllamacpp = import_module("xllamacpp")
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, json.loads(sys.argv[1])))
    except (RuntimeError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(server.listening_address, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
