"""The page's files, read once from the package."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    content: bytes
    content_type: str


def load() -> dict[str, Asset]:
    """By path: ``/`` is ``index.html``, the others have their names."""
    assets = {}
    for file in files("actors.kiosk").joinpath("page").iterdir():
        if kind := _TYPES.get(file.name.rpartition(".")[2]):
            path = "/" if file.name == "index.html" else f"/{file.name}"
            assets[path] = Asset(file.read_bytes(), kind)
    return assets


def version(assets: dict[str, Asset]) -> str:
    """Another word for any other content."""
    digest = hashlib.sha256()
    for path, asset in sorted(assets.items()):
        digest.update(path.encode() + b"\0" + asset.content + b"\0")
    return digest.hexdigest()[:12]
