"""The house rules that no linter knows."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPLOYED = sorted(ROOT.glob("chalicelib/**/*.py"))
SOURCES = [*DEPLOYED, *sorted(ROOT.glob("infra/**/*.py")), *sorted(ROOT.glob("simulators/**/*.py"))]
CORE = [path for path in DEPLOYED if path.parent.name in {"domain", "flows"}]
HOMELESS = re.compile(r"(utils?|helpers?|common|base|misc|manager|service)s?\.py")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_are_rooms_one_can_live_in(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_fit_on_a_screen(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 70, node.name


@pytest.mark.parametrize("path", DEPLOYED, ids=name)
def test_no_module_is_a_drawer_for_everything(path):
    assert not HOMELESS.fullmatch(path.name)


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_knows_no_clock_no_environment_no_dice_and_no_threads(path):
    """What the linter bans by name cannot come in by another one."""
    outside = {"os", "random", "secrets", "socket", "threading", "time", "uuid"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & outside, f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert node.module not in outside, f"line {node.lineno}"


@pytest.mark.parametrize(
    "path", [path for path in DEPLOYED if path.parent.name == "domain"], ids=name
)
def test_no_float_comes_near_money(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float), f"line {node.lineno}"


def test_dependencies_are_pinned_exactly():
    for file in (
        "requirements.txt",
        "requirements-files.txt",
        "requirements-dev.txt",
        "constraints.txt",
    ):
        for line in (ROOT / file).read_text().splitlines():
            assert not line or line.startswith("-") or re.fullmatch(r"[\w.\[\]-]+==[\w.]+", line)


def test_every_handler_is_bounded():
    """A Blueprint's handlers run without app.py: what surrounds them must be on each of them."""
    for path in ROOT.glob("chalicelib/entrypoints/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if any(re.match(r"bp\.(schedule|on_|route|authorizer)", text) for text in decorators):
                assert decorators[-1] == "boundary", f"{path.name}: {node.name}"


def test_every_conditional_write_says_why():
    for path in ROOT.glob("chalicelib/adapters/dynamodb/*.py"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.strip().startswith("with conditional()"):
                assert any("#" in near for near in lines[number - 2 : number + 4]), (
                    f"{path.name}:{number + 1}"
                )


def test_products_are_well_formed():
    codes = [entry["code"] for entry in json.loads((ROOT / "chalicelib/products.json").read_text())]
    assert len(codes) == len(set(codes))
