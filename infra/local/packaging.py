"""Package the application: one bundle and one template for every Lambda."""

import os
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
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
REGION = "cn-north-1"


class PackagingFailedError(Exception):
    """Chalice could not package, or the bundle is larger than Lambda takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """What is deployed: a bundle, and a template that does not yet say where the bundle is."""

    bundle: Path
    template: Mapping[str, Any]
    unzipped_bytes: int

    @property
    def zipped_bytes(self) -> int:
        return self.bundle.stat().st_size


def package(*, root: Path, build: Path, stage: str, requirements: str) -> Package:
    """Package the application with Chalice; the same sources give the same bytes.

    `requirements` is the text of the bundle's requirements.txt: empty needs no registry.

    :raises PackagingFailedError: if Chalice fails or the bundle is too large.
    """
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
    unzipped = _write_again(out / "deployment.zip", bundle)
    made = Package(
        bundle=bundle,
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


def _write_again(made: Path, bundle: Path) -> int:
    """Write a zip anew, in order and without times; give the bytes it unpacks to."""
    unzipped = 0
    with (
        zipfile.ZipFile(made) as source,
        zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for name in sorted(set(source.namelist())):
            if name.endswith(("/", ".pyc")):
                continue
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            content = source.read(name)
            target.writestr(entry, content, zipfile.ZIP_DEFLATED)
            unzipped += len(content)
    return unzipped
