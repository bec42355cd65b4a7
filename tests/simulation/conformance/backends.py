"""The clouds a conformance case runs on, and how a case says that one of them is wrong.

A case is a function whose name begins with `case_` and that takes a Backend.  It asserts what
AWS's documentation says.  Where a backend is known to do otherwise the case is marked with
`@differs(MOTO, because="…")` and must fail there: one that passes again is told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

REGION = "us-east-1"
FAKE, MOTO, LOCAL_CLOUD = "fake", "moto", "local cloud"

Case = Callable[["Backend"], None]
_numbers = count()


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One cloud.  Names are made unique, for the local cloud is shared by all cases."""

    name: str
    endpoint: str | None = None
    sleep: Callable[[float], None] = lambda _seconds: None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, region_name=REGION, endpoint_url=self.endpoint
            )
        return self._clients[service]

    def unique(self, name: str) -> str:
        """Make a name nobody else uses; later ones sort behind."""
        return f"{name}-{next(_numbers):06d}"


def differs(*backends: str, because: str) -> Callable[[Case], Case]:
    """Mark a case that fails on these backends, with AWS's word for it."""

    def marked(case: Case) -> Case:
        before = getattr(case, "differs", {})
        case.differs = before | dict.fromkeys(backends, because)  # type: ignore[attr-defined]
        return case

    return marked


def all_case_modules() -> list[ModuleType]:
    """Find the modules of cases, in this folder."""
    return [
        import_module(f"{__name__.rpartition('.')[0]}.{path.stem}")
        for path in sorted(Path(__file__).parent.glob("*_cases.py"))
    ]


def cases_of(*modules: ModuleType, on: str) -> list[Any]:
    """Collect the cases of modules as pytest parameters for one backend."""
    return [
        pytest.param(
            case,
            id=f"{module.__name__.rpartition('.')[2].removesuffix('_cases')}-{name.removeprefix('case_')}",
            marks=[pytest.mark.xfail(strict=True, reason=reason)]
            if (reason := getattr(case, "differs", {}).get(on))
            else [],
        )
        for module in modules
        for name, case in vars(module).items()
        if name.startswith("case_")
    ]
