"""Vouchers as a file in the exchange bucket, for the general ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from tempfile import TemporaryFile

from chalicelib.adapters import file_writer
from chalicelib.adapters.file_cells import (
    Matching,
    OneOf,
    Text,
    day,
    identifier_or_none,
    long_identifier,
    text,
)
from chalicelib.adapters.file_layouts import Amount, Column, Layout
from chalicelib.adapters.file_manifests import told_manifest
from chalicelib.domain.money_event import EventKind
from chalicelib.domain.voucher import Side, VoucherLine
from chalicelib.flows.close_ports import Kept
from chalicelib.flows.landing import MANIFEST_SUFFIX
from chalicelib.flows.ports import ObjectStore

VOUCHERS = Layout(
    make=VoucherLine,
    control=("amount_fen",),
    is_sent=True,
    columns=(
        Column("voucher_no", long_identifier),
        Column("business_date", day),
        Column("event", OneOf(EventKind)),
        Column("order_no", long_identifier),
        Column("loan_id", identifier_or_none),
        Column("mode", identifier_or_none),
        Column("funder_id", identifier_or_none),
        Column("product", identifier_or_none),
        Column("account_code", Matching(r"[0-9A-Za-z.]{1,32}", "not an account's code")),
        Column("account_name", text),
        Column("side", OneOf(Side)),
        Amount("amount_fen", at_least_fen=1),
        Column("currency", Matching("CNY", "not CNY")),
        Column("summary", Text(200)),
    ),
)


def key_of(business_date: date) -> str:
    """Name the file of a date.

    >>> key_of(date(2026, 11, 24))
    'vouchers/20261124.csv'
    """
    return f"vouchers/{business_date:%Y%m%d}.csv"


@dataclass(frozen=True, kw_only=True, slots=True)
class S3VoucherFiles:
    """Collects the lines on disk, so that however many there are, memory stays as it is.

    The file goes first and then its manifest: who sees the manifest, sees a whole file.
    """

    store: ObjectStore

    def write(self, *, business_date: date, lines: Iterable[VoucherLine]) -> Kept:
        key = key_of(business_date)
        with TemporaryFile() as spooled:
            manifest = file_writer.spool(lines, target=spooled, layout=VOUCHERS)
            spooled.seek(0)
            self.store.write(key, spooled)
        self.store.write(key + MANIFEST_SUFFIX, told_manifest(manifest))
        return Kept(key=key, sha256=manifest.sha256)
