"""docs/security.md says which tests prove what: each of them exists, and no requirement is left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "security.md"
TEXT = DOCUMENT.read_text()
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
REQUIRED = (
    *("1.1.1", "1.2.10"),
    *("2.1.3", "2.2.1", "2.2.2", "2.2.3", "2.3.1", "2.3.2", "2.3.3", "2.3.4", "2.3.5", "2.4.1"),
    "4.1.5",
    *("5.1.1", "5.2.1", "5.2.2", "5.2.3", "5.3.2"),
    *("8.2.1", "8.2.2", "8.2.3", "8.3.1", "8.3.2", "8.3.3", "8.4.1"),
    *("9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "9.2.4"),
    *("14.2.1", "14.2.4", "14.2.6", "14.3.2"),
    *("16.2.1", "16.2.2", "16.2.3", "16.2.4", "16.2.5"),
    *("16.3.1", "16.3.2", "16.3.3", "16.3.4", "16.4.1", "16.4.2"),
    *("16.5.1", "16.5.2", "16.5.3", "16.5.4"),
    *("API1", "API2", "API3", "API4", "API5", "API6", "API8", "API9", "API10", "V13"),
)
"""The requirements that apply to Afterloan, of ASVS 5.0.0 and of the API Security Top 10."""

THEMES = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in TEXT.partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| theme")
]


@cache
def names_in(file):
    """List the tests of a file: functions, classes, and classes with their methods."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            found |= {node.name, *(f"{node.name}.{method}" for method in methods)}
    return {name for name in found if re.match(r"(Test\w+\.)?test_|Test\w+$", name)}


def proofs_of(cell):
    return [(text.strip("`"), DOCUMENT.parent / target) for text, target in LINK.findall(cell)]


@pytest.mark.parametrize("identifier", REQUIRED)
def test_every_requirement_belongs_to_a_theme(identifier):
    assert any(identifier in re.split(r"[ ;]+", ids) for _, ids, _, _ in THEMES)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme[0])
class TestATheme:
    def test_asks_for_nothing_that_does_not_apply(self, theme):
        assert set(re.split(r"[ ;]+", theme[1])) <= set(REQUIRED)

    def test_is_proved_by_tests_that_exist(self, theme):
        proofs = proofs_of(theme[3])
        assert proofs
        for name, file in proofs:
            assert name in names_in(file), f"{file.name}: {name}"

    def test_is_held_by_code_that_exists(self, theme):
        held = [file for _, file in proofs_of(theme[2]) if "#" not in file.name]
        assert held
        assert [file for file in held if not file.exists()] == []


def test_every_link_leads_somewhere():
    for _, target in LINK.findall(TEXT):
        file, _, section = target.partition("#")
        path = (DOCUMENT.parent / file) if file else DOCUMENT
        assert path.exists(), target
        if section:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert section in anchors, target
