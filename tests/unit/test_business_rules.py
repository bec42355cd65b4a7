import doctest
from pathlib import Path

BUSINESS_RULES = Path(__file__).parents[2] / "docs/business-rules.md"


def test_every_number_of_the_business_rules_is_what_the_code_computes():
    result = doctest.testfile(str(BUSINESS_RULES), module_relative=False, encoding="utf-8")
    assert result.attempted > 50
    assert result.failed == 0
