"""The files the pages load, ours and those that are installed at build time.

Each is served under a name that carries its content's digest, so that it may be kept for ever;
what is not among them at the start is never served, whatever a path says.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WEB = Path(__file__).parents[1] / "web"
DIGEST_LETTERS = 12
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}


class MissingAssetError(Exception):
    """A page wants a file that is not there: `make assets` fetches those that are not ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file as it is served."""

    served_as: str
    content_type: str
    text: str


class PageAssets:
    """Every file of some folders, by its own name and by the one it is served under."""

    def __init__(self, folders: Iterable[Path] = (WEB / "static", WEB / "vendor")) -> None:
        found = {path.name: _asset(path) for folder in folders for path in sorted(folder.glob("*"))}
        self._by_name = {name: asset for name, asset in found.items() if asset}
        self._by_served = {asset.served_as: asset for asset in self._by_name.values()}

    def served_as(self, name: str) -> str:
        """Name a file the way it is served.

        :raises MissingAssetError: if there is no such file.
        """
        if name not in self._by_name:
            raise MissingAssetError(name)
        return self._by_name[name].served_as

    def get(self, served_as: str) -> Asset | None:
        """Find what is served under a name."""
        return self._by_served.get(served_as)


@cache
def read() -> PageAssets:
    """Read the files there are, once: they change with the bundle alone."""
    return PageAssets()


def _asset(path: Path) -> Asset | None:
    content_type = CONTENT_TYPES.get(path.suffix)
    if content_type is None:
        return None
    text = path.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LETTERS]
    return Asset(
        served_as=f"{path.stem}.{digest}{path.suffix}", content_type=content_type, text=text
    )
