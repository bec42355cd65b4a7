"""Package the application: one bundle and one template for every Lambda."""

import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ZIPPED_BYTES_MAX = 50 * 1024 * 1024
UNZIPPED_BYTES_MAX = 250 * 1024 * 1024
PAGE_ASSETS = "chalicelib/web/vendor/htmx.min.js"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
REGION = "cn-north-1"


class PackagingFailedError(Exception):
    """Chalice could not package, or the bundle is larger than Lambda takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """What is deployed: a bundle, and a template that does not yet say where the bundle is.

    `digest` is that of the bundle's sources: the same sources are the same bundle.
    """

    bundle: Path
    digest: str
    template: Mapping[str, Any]
    unzipped_bytes: int

    @property
    def zipped_bytes(self) -> int:
        return self.bundle.stat().st_size


def package(*, root: Path, build: Path, stage: str, requirements: str) -> Package:
    """Package the application with Chalice; the same sources give the same digest.

    `requirements` is the text of the bundle's requirements.txt: empty needs no registry.

    :raises PackagingFailedError: if Chalice fails, the bundle is too large, or the pages' assets
        were not fetched.
    """
    if not (root / PAGE_ASSETS).exists():
        raise PackagingFailedError(f"{PAGE_ASSETS} is missing: `make assets` fetches it")
    source, out = build / "source", build / "out"
    shutil.rmtree(build, ignore_errors=True)
    source.mkdir(parents=True)
    leave = shutil.ignore_patterns("__pycache__", "*.pyc", "deployed", "deployments")
    for folder in ("chalicelib", ".chalice"):
        shutil.copytree(root / folder, source / folder, ignore=leave)
    shutil.copy(root / "app.py", source)
    (source / "requirements.txt").write_text(requirements)
    merge = ["--merge-template", str(root / "infra" / "app.yaml"), "--template-format", "yaml"]
    chalice = [sys.executable, "-c", "import chalice.cli, sys; sys.exit(chalice.cli.main())"]
    ran = subprocess.run(
        [*chalice, "package", "--stage", stage, *merge, str(out)],
        cwd=source,
        env=os.environ | {"AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", REGION)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise PackagingFailedError(ran.stdout + ran.stderr)
    bundle = build / "bundle.zip"
    digest, unzipped = _bundled(_compiled(out / "deployment.zip", build / "content"), bundle)
    made = Package(
        bundle=bundle,
        digest=digest,
        template=yaml.safe_load((out / "sam.yaml").read_text()),
        unzipped_bytes=unzipped,
    )
    if made.zipped_bytes > ZIPPED_BYTES_MAX or unzipped > UNZIPPED_BYTES_MAX:
        raise PackagingFailedError(f"too large for Lambda: {sizes(made)}")
    return made


def sizes(made: Package) -> str:
    """Say how large a bundle is, against what Lambda takes."""
    mib = 1024 * 1024
    return (
        f"{made.zipped_bytes / mib:.1f} of {ZIPPED_BYTES_MAX // mib} MiB zipped, "
        f"{made.unzipped_bytes / mib:.1f} of {UNZIPPED_BYTES_MAX // mib} MiB unzipped"
    )


def _compiled(made: Path, folder: Path) -> Path:
    """Unpack a zip and compile its modules, which spares every cold start that work.

    Nobody looks whether such a module is older than its source: a bundle is made as a whole.
    """
    with zipfile.ZipFile(made) as source:
        source.extractall(folder)
    compileall.compile_dir(
        folder,
        quiet=2,
        force=True,
        stripdir=str(folder),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return folder


def _bundled(folder: Path, bundle: Path) -> tuple[str, int]:
    """Zip a folder in order and without times; give the sources' digest and the bytes of all."""
    digest = hashlib.sha256(str(sys.implementation.cache_tag).encode())
    unzipped = 0
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            target.writestr(entry, content, zipfile.ZIP_DEFLATED)
            unzipped += len(content)
            if not name.endswith(".pyc"):
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest(), unzipped
