"""A day's records, each with what it is sorted by: the product of its loan, and its funder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from chalicelib.domain.deduction import Deduction, Skip
from chalicelib.domain.loan import Mode
from chalicelib.flows.ports import DueLine, Loans

RECORDS_AT_ONCE = 100

Record = TypeVar("Record", bound=Deduction | Skip | DueLine)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed(Generic[Record]):
    """A record, and of its loan what the record itself may not say."""

    record: Record
    product: str
    funder_id: str


def placed(records: Iterable[Record], loans: Loans) -> Iterator[Placed[Record]]:
    """Stream records with product and funder; heads are read of those alone that do not say both."""
    unread = iter(records)
    while some := tuple(islice(unread, RECORDS_AT_ONCE)):
        silent = {record.loan_id for record in some if not _says_both(record)}
        heads = loans.get_many(sorted(silent)) if silent else {}
        for record in some:
            product, funder_id = _said(record)
            head = heads.get(record.loan_id)
            yield Placed(
                record=record,
                product=product or (head.product if head else ""),
                funder_id=funder_id or (head.funder_id if head else ""),
            )


def _says_both(record: Deduction | Skip | DueLine) -> bool:
    product, funder_id = _said(record)
    return bool(product and (funder_id or record.mode == Mode.SELF_OPERATED))


def _said(record: Deduction | Skip | DueLine) -> tuple[str, str]:
    match record:
        case DueLine():
            return record.product, record.funder_id
        case Deduction():
            return record.product, ""
        case _:
            return "", ""
