"""The catalogue of funders, and the dialects they write in: data beside the code."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from chalicelib.adapters.file_dialects import DEFAULT, Dialect
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.domain.funder import Funder

CATALOGUE = Path(__file__).parents[1] / "funders.json"
DIALECTS = Path(__file__).parents[1] / "dialects.json"


FROM_LENDER = ("due", "confirmation")
TO_LENDER = ("repayments", "reconciliation", "due-differences")
FROM_DEDUCTING = ("results",)
"""The kinds of file that go between a funder and us, by what it does."""


class IllegalCatalogueError(ValueError):
    """The catalogue contradicts itself."""


def read_dialects(path: Path = DIALECTS) -> Mapping[str, Dialect]:
    """Read the dialects by name.

    :raises pydantic.ValidationError: if one is not well-formed, or has a word more.
    """
    return TypeAdapter(dict[str, Dialect]).validate_json(
        path.read_bytes(), strict=True, extra="forbid"
    )


def read(catalogue: Path = CATALOGUE, dialects: Path = DIALECTS) -> Mapping[str, Funder]:
    """Read the catalogue.

    :raises pydantic.ValidationError: if a funder is not well-formed, or has a word more.
    :raises IllegalCatalogueError: if a funder stands twice, or names what does not exist: a
        dialect, or a kind of file.
    """
    known = read_dialects(dialects)
    found: dict[str, Funder] = {}
    everyone = TypeAdapter(tuple[Funder, ...]).validate_json(
        catalogue.read_bytes(), strict=True, extra="forbid"
    )
    for funder in everyone:
        if funder.funder_id in found:
            raise IllegalCatalogueError(f"{funder.funder_id} stands twice")
        if strange := funder.dialects.keys() - FUNDER_LAYOUTS.keys():
            raise IllegalCatalogueError(f"{funder.funder_id}: no such files: {sorted(strange)}")
        if strange := set(funder.dialects.values()) - known.keys():
            raise IllegalCatalogueError(f"{funder.funder_id}: no such dialects: {sorted(strange)}")
        found[funder.funder_id] = funder
    return found


def sent_by(funder: Funder) -> Sequence[str]:
    """Name the kinds of file that come from a funder.

    >>> sent_by(read()["F1"]), sent_by(read()["F3"])
    (('due', 'confirmation'), ('results',))
    """
    return FROM_LENDER * funder.lends_jointly + FROM_DEDUCTING * funder.deducts


def sent_to(funder: Funder) -> Sequence[str]:
    """Name the kinds of file that go to a funder."""
    return TO_LENDER * funder.lends_jointly


def dialect_of(funder: Funder, kind: str, dialects: Mapping[str, Dialect]) -> Dialect:
    """Return how a funder's files of a kind are written: by default, if it has agreed on none."""
    name = funder.dialects.get(kind)
    return dialects[name] if name else DEFAULT
