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
LAYER = "FilesLayer"
LAMBDA = "manylinux_2_28_x86_64"


class PackagingFailedError(Exception):
    """Chalice could not package, or the bundle is larger than Lambda takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """What is deployed: a bundle, and a template that does not yet say where the bundle is.

    `digest` is that of the bundle's sources: the same sources are the same bundle.  `layer` holds
    what only the functions need that take large files in.
    """

    bundle: Path
    digest: str
    template: Mapping[str, Any]
    unzipped_bytes: int
    layer: Path | None = None
    layer_digest: str = ""

    @property
    def zipped_bytes(self) -> int:
        return self.bundle.stat().st_size


def package(
    *, root: Path, build: Path, stage: str, requirements: str, layer_requirements: str = ""
) -> Package:
    """Package the application with Chalice; the same sources give the same digest.

    `requirements` is the text of the bundle's requirements.txt, `layer_requirements` that of the
    layer's: empty needs no registry, and without a layer the template has none.

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
    layer = _layer(build, layer_requirements) if layer_requirements else None
    template = yaml.safe_load((out / "sam.yaml").read_text())
    made = Package(
        bundle=bundle,
        digest=digest,
        template=template if layer else _without_layer(template),
        unzipped_bytes=unzipped + (layer[2] if layer else 0),
        layer=layer[0] if layer else None,
        layer_digest=layer[1] if layer else "",
    )
    unzipped = made.unzipped_bytes
    if made.zipped_bytes > ZIPPED_BYTES_MAX or unzipped > UNZIPPED_BYTES_MAX:
        raise PackagingFailedError(f"too large for Lambda: {sizes(made)}")
    return made


def _layer(build: Path, requirements: str) -> tuple[Path, str, int]:
    """Build the layer from wheels for Lambda: its zip, its digest, its bytes."""
    folder, wanted = build / "layer", build / "layer.txt"
    wanted.write_text(requirements)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wheels = ["--platform", LAMBDA, "--only-binary=:all:", "--python-version", "3.11", "--no-deps"]
    ran = subprocess.run(
        [*pip, *wheels, "--target", str(folder / "python"), "--requirement", str(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise PackagingFailedError(ran.stdout + ran.stderr)
    zipped = build / "layer.zip"
    digest, unzipped = _bundled(folder, zipped)
    return zipped, digest, unzipped


def _without_layer(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the layer out of a template whose functions find its packages elsewhere."""
    kept = {name: one for name, one in template["Resources"].items() if name != LAYER}
    for one in kept.values():
        if isinstance(one, dict):
            one.get("Properties", {}).pop("Layers", None)
    return {**template, "Resources": kept}


def sizes(made: Package) -> str:
    """Say how large a bundle is, against what Lambda takes."""
    mib = 1024 * 1024
    return (
        f"{made.zipped_bytes / mib:.1f} of {ZIPPED_BYTES_MAX // mib} MiB zipped, "
        f"{made.unzipped_bytes / mib:.1f} of {UNZIPPED_BYTES_MAX // mib} MiB unzipped"
        + (f" with a layer of {made.layer.stat().st_size / mib:.1f} MiB" if made.layer else "")
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
