"""What is shipped under data/ is used as data/manifest.toml lists it, or not at all."""

import hashlib
import tomllib
from pathlib import Path


def check_shipped(path, remedy):
    """Raise ValueError where a file data/FOLDER/NAME is not the one that manifest.toml beside FOLDER lists.

    remedy  what to do then, in a sentence
    """
    path = Path(path)
    name = f"{path.parent.name}/{path.name}"
    came, listed = hashlib.sha256(path.read_bytes()).hexdigest(), _listed(path.parents[1], name)
    if came != listed:
        raise ValueError(
            f"data/{name} has the SHA-256 {came[:12]}…, and data/manifest.toml lists "
            f"{f'{listed[:12]}…' if listed else 'no such file'}: it is damaged or was altered. {remedy}"
        )


def _listed(folder, name):
    """The checksum that the manifest in a folder has for a file, None for none."""
    manifest = folder / "manifest.toml"
    if not manifest.is_file():
        return None
    files = tomllib.loads(manifest.read_text(encoding="utf-8")).get("file", [])
    return next((each["sha256"] for each in files if each["path"] == name), None)
