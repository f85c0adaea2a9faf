"""Gets a package's source distribution, which unlike its wheel carries the upstream tests."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache"


def fetch(package: str, version: str) -> Path:
    """Returns the unpacked sdist of `package` at `version`, downloading it the first time.

    Workers wait for one another: the first one downloads.
    """
    CACHE.mkdir(exist_ok=True)
    target = CACHE / f"{package}-{version}"
    with (CACHE / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _download(package, version, target)
    return target


def _download(package: str, version: str, target: Path) -> None:
    downloads = CACHE / f"{target.name}.download"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-binary", ":all:", "--no-deps", "--dest", str(downloads), f"{package}=={version}"], check=True
    )
    (archive,) = downloads.glob("*.tar.gz")
    unpacked = CACHE / f"{target.name}.unpacked"
    unpacked.mkdir(exist_ok=True)
    # Not `tarfile`: its safe filter is missing from the Python of Debian 12.
    subprocess.run(["tar", "xf", str(archive), "-C", str(unpacked), "--strip-components=1"], check=True)
    unpacked.rename(target)  # last, so that what is there is whole
