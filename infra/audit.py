"""Ask the package registry whether anything that is deployed has a known vulnerability.

`python -m infra.audit` hands pip-audit the closure of requirements.txt, and of the files' layer,
as it is installed here: nothing is resolved or downloaded.  It fails on a found vulnerability alone.  A registry that does
not answer such a question is no reason to stop the work, and is said plainly.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
DEPLOYED = (ROOT / "requirements.txt", ROOT / "requirements-files.txt")
RUNTIME = "chalice"  # puts itself into the package, without what it needs to make one
SECONDS_MAX = 120
SKIPPED = "skipped: the registry does not answer vulnerability queries"
UNREACHABLE = re.compile(r"Connect|ProxyError|SSLError|Timeout|timed out|redirecting")
"""What pip-audit's own words say where no answer came at all."""

Ask = Callable[[str], str]


class AuditFailedError(Exception):
    """pip-audit could not do what it was asked to; the text is its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What the registry knew; `unknown` are packages it said nothing about."""

    vulnerable: Mapping[str, tuple[str, ...]]
    sound: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def is_answered(self) -> bool:
        """Whether the registry answered for any package at all."""
        return bool(self.vulnerable or self.sound)


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """List what is required, and what that requires, each with its installed version.

    :raises importlib.metadata.PackageNotFoundError: if something is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [(Requirement(line), "") for line in requirements]
    while wanted:
        requirement, extra = wanted.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        installed = distribution(name)
        found[name] = installed.version
        for asked in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, asked))
            wanted += [(Requirement(text), asked) for text in installed.requires or ()]
    return dict(sorted(found.items()))


def pins_of(file: Path) -> list[str]:
    """Read the pins of a requirements file; options and comments are none."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def read(text: str) -> Report:
    """Read pip-audit's JSON; nothing at all is a registry that could not be reached."""
    given = json.loads(text) if text.strip() else {"dependencies": []}
    dependencies: list[dict[str, Any]] = given["dependencies"]
    return Report(
        vulnerable={
            f"{one['name']} {one['version']}": tuple(found["id"] for found in one["vulns"])
            for one in dependencies
            if one.get("vulns")
        },
        sound=tuple(one["name"] for one in dependencies if one.get("vulns") == []),
        unknown=tuple(one["name"] for one in dependencies if "skip_reason" in one),
    )


def told(report: Report) -> tuple[str, int]:
    """Say a report in a line or more, with the exit code: 1 for a vulnerability alone."""
    if report.vulnerable:
        lines = (f"{name}: {', '.join(ids)}" for name, ids in report.vulnerable.items())
        return "\n".join(("vulnerable:", *lines)), 1
    if not report.is_answered:
        return SKIPPED, 0
    unasked = f"; nothing is known of {', '.join(report.unknown)}" if report.unknown else ""
    return f"no known vulnerability in {len(report.sound)} packages{unasked}", 0


def ask(pins: str) -> str:
    """Let pip-audit ask the registry about pins, one a line; "" if it could not be reached.

    :raises AuditFailedError: if pip-audit fails of itself.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "deployed.txt"
        file.write_text(pins)
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(file)]
        command += ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json"]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
            )
        except subprocess.TimeoutExpired:
            return ""
    if not ran.stdout and not UNREACHABLE.search(ran.stderr):
        raise AuditFailedError(ran.stderr)
    return ran.stdout


def main(ask: Ask = ask) -> int:
    """Audit what is deployed; return the exit code."""
    deployed = closure(pin for file in DEPLOYED for pin in pins_of(file)) | {
        RUNTIME: distribution(RUNTIME).version
    }
    pins = "".join(f"{name}=={version}\n" for name, version in deployed.items())
    try:
        text, code = told(read(ask(pins)))
    except AuditFailedError as error:
        text, code = f"pip-audit failed\n{error}", 2
    print(f"audit: {text}")
    return code


if __name__ == "__main__":
    sys.exit(main())
