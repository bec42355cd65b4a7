"""Which orders stand in which version of a file for a funder: written down before the file is.

A version's orders are put once and never change, so whoever dies writes the same file when he
comes again, and of two who make a version at once both go on with the first's.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from chalicelib.flows.funder_ports import FunderFile
from chalicelib.flows.ports import ObjectStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of a file: its number, and its orders."""

    number: int
    order_nos: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """The versions of one kind of file, for one funder and date."""

    kind: FunderFile
    funder_id: str
    business_date: date

    @property
    def folder(self) -> str:
        return f"file-versions/{self.business_date:%Y%m%d}/{self.funder_id}/{self.kind}"

    def key_of(self, number: int) -> str:
        """Name the file of a version, as it goes out."""
        folder = f"out/funders/{self.funder_id}/{self.kind}/{self.business_date:%Y%m%d}"
        return f"{folder}/{self.kind}_v{number}.csv"


def standing(*, shelf: Shelf, objects: ObjectStore) -> Sequence[Version]:
    """Read all versions there are, the first one first."""
    versions: list[Version] = []
    while True:
        try:
            body = objects.read(_key(shelf, len(versions) + 1))
        except KeyError:
            return versions
        orders = tuple(json.loads(body)["order_nos"])
        versions.append(Version(number=len(versions) + 1, order_nos=orders))


def add(*, shelf: Shelf, number: int, order_nos: Iterable[str], objects: ObjectStore) -> None:
    """Put the orders of the next version; if another has put it, his stands."""
    body = json.dumps({"order_nos": sorted(order_nos)}, indent=0).encode()
    objects.write_once(_key(shelf, number), body)


def _key(shelf: Shelf, number: int) -> str:
    return f"{shelf.folder}/v{number}.json"
