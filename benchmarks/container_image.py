"""An image for the container engine where none can be pulled: `python benchmarks/container_image.py NAME`.

Debian's `minbase` with git and Python by debootstrap (root, about a minute), and pytest as the fixtures were recorded
with. The engine is that of DOCKER_HOST. Prints the image's id.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import docker

PACKAGES = "git,python3-minimal,python3-pip,mawk,diffutils,patch,findutils"
PYTEST = "pytest==8.3.5"


def main() -> None:
    """Make and import it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="what the image is called, as NAME or NAME:TAG")
    parser.add_argument("--suite", default="bookworm", help="Debian's release")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="image-") as scratch:
        root = Path(scratch) / "root"
        made = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", options.suite, str(root)]
        subprocess.run(made, check=True, stdout=sys.stderr)
        site = root / "usr/lib/python3/dist-packages"
        wanted = [sys.executable, "-m", "pip", "install", "-q", "--target", str(site), "--python-version", "3.11"]
        subprocess.run([*wanted, "--only-binary=:all:", PYTEST], check=True, stdout=sys.stderr)
        script = root / "usr/bin/pytest"
        script.write_text("#!/usr/bin/python3\nimport sys\nfrom pytest import console_main\nsys.exit(console_main())\n")
        script.chmod(0o755)
        (root / "usr/bin/python").symlink_to("python3")
        whole = Path(scratch) / "root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(whole), "."], check=True)
        repository, _, tag = options.name.partition(":")
        with closing(docker.from_env(timeout=600)) as client:
            client.api.import_image_from_file(str(whole), repository=repository, tag=tag or "latest")
            print(client.images.get(options.name).id)


if __name__ == "__main__":
    main()
