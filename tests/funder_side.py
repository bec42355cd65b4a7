"""A funder of the outside in process, the loans it is sent, and what Afterloan would send it."""

import csv
import hashlib
import io
import json
from datetime import date, datetime, time
from random import Random  # noqa: TID251 - seeded

from simulators.clock import SHANGHAI, SettableClock
from simulators.funder import Funder
from simulators.funder_acquirer import InProcess
from simulators.funder_dialects import DIALECTS, NINE, written
from simulators.payment_platform import PaymentPlatform

LOANS_KEY = "in/loans/20260115/loans_v1.csv"


class MemoryBucket:
    """An exchange bucket that remembers in which order it was written."""

    def __init__(self):
        self.objects = {}
        self.puts = []

    def put(self, key, body):
        self.objects[key] = body
        self.puts.append(key)

    def get(self, key):
        return self.objects.get(key)

    def keys(self, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))


def at(day, hour=8, minute=0):
    return datetime.combine(day, time(hour, minute), SHANGHAI)


def a_loan(number=1, **changes):
    """One line of a loans file: 12,000 yuan at 12 %, equal principal, due on 15 Feb, Mar, Apr."""
    return {
        "loan_id": f"LN{number}",
        "borrower_id": f"BR{number}",
        "borrower_name": "王*",
        "phone": f"1000000000{number}",
        "product": "consumer",
        "mode": "joint_lending",
        "funder_id": "F1",
        "funder_share_bps": "7000",
        "principal_fen": "1200000",
        "annual_rate": "0.12",
        "method": "equal_principal",
        "terms": "3",
        "disbursed_on": "2026-01-15",
        "first_due_on": "2026-02-15",
        "agreement_no": f"AG{number}",
        "revolving": "false",
        **changes,
    }


def an_assisted_loan(number=1, **changes):
    return a_loan(number, mode="loan_assistance", funder_id="F3", **changes)


def csv_of(rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def land_loans(bucket, *rows, key=LOANS_KEY):
    body = csv_of(rows)
    manifest = {
        "rows": len(rows),
        "amount_fen": sum(int(row["principal_fen"]) for row in rows),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    bucket.put(key, body)
    bucket.put(f"{key}.ok", json.dumps(manifest).encode())


def a_repayment(*nine, order_no="O1", instalment_no=1, **changes):
    """One line of a repayment file; the nine amounts in fen."""
    return {
        "order_no": order_no,
        "trade_no": f"T-{order_no}",
        "loan_id": "LN1",
        "instalment_no": instalment_no,
        "kind": "scheduled",
        **dict(zip(NINE, nine, strict=True)),
        "paid_at": "2026-02-15T08:00:03+08:00",
        **changes,
    }


def send(bucket, kind, day, rows, *, funder_id="F1", version=1, dialect="default"):
    """Write a repayment or reconciliation file as Afterloan would."""
    key = f"out/funders/{funder_id}/{kind}/{day:%Y%m%d}/{kind}_v{version}.csv"
    file = written(kind, rows, DIALECTS[dialect])
    bucket.put(key, file.body)
    if file.manifest is not None:
        bucket.put(f"{key}.ok", file.manifest)
    return key


class Outside:
    """A funder, its merchant account, the bucket and the time of day."""

    def __init__(self, *loans, now=None):
        self.clock = SettableClock()
        self.clock.set(now or at(date(2026, 2, 15)))
        self.bucket = MemoryBucket()
        self.platform = PaymentPlatform(clock=self.clock, rng=Random(7))
        self.funder = Funder(
            clock=self.clock,
            rng=Random(7),
            bucket=self.bucket,
            acquirer=InProcess(self.platform),
        )
        if loans:
            land_loans(self.bucket, *loans)

    def lines(self, key, *, encoding="utf-8", separator=","):
        """Read a file of the funder's, one dict a line."""
        text = self.bucket.objects[key].decode(encoding)
        return list(csv.DictReader(io.StringIO(text), delimiter=separator))
