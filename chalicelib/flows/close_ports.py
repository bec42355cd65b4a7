"""What the close of a day writes down, beside ports.py and file_ports.py."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from chalicelib.domain.day_report import DayReport
from chalicelib.domain.voucher import VoucherLine


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A file that was written: its key, and the digest of its bytes."""

    key: str
    sha256: str


class FrozenReportError(Exception):
    """Another report of the day stands under this version: it stays as it is."""


class VoucherFiles(Protocol):
    def write(self, *, business_date: date, lines: Iterable[VoucherLine]) -> Kept:
        """Write a day's vouchers once all lines are there; a later time replaces an earlier one.

        The same lines are the same bytes.  Where giving the lines fails, nothing is written.
        """


class DayReports(Protocol):
    def freeze(self, report: DayReport) -> Kept:
        """Write a version of a day's report once; the same again changes nothing.

        :raises FrozenReportError: if another one stands under this version.
        """
