"""Personal data that can be told from afar, and the trap that takes down whatever is said.

Names that mean something to a spreadsheet, a browser, a template or a log; phones and cards like
no other; files that bring them, well-formed and not.
"""

import hashlib
import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO

from chalicelib.adapters import telemetry

CANARY = "zzcanary"
SURNAME = "欧阳"
CARD = "6222020200112233445"
PEOPLE = {
    "B1": (f'=HYPERLINK("http://{CANARY}")', "13977770001"),
    "B2": (f"<img src=x onerror={CANARY}()>", "13977770002"),
    "B3": (f"{{{{7*7}}}}${{{CANARY}}}", "13977770003"),
    "B4": (f'"}}\\n{{"level":"ERROR","{CANARY}":1', "13977770004"),
    "B5": (f"{SURNAME}{CANARY}", "13977770005"),
    "B6": (f"@SUM({CANARY})", "13977770006"),
}
"""Names that mean something to a spreadsheet, a browser, a template, a log, and to nobody."""

NEIGHBOUR = {"B9": ("李雷", "13800000009")}
MARKS = (CANARY, SURNAME, CARD, "1397777")
THIRD_PARTIES = ("asyncio", "boto3", "botocore", "moto", "pynamodb", "s3transfer", "urllib3")


def marks_in(text):
    """List the canaries in a text, as they stand or as JSON, HTML or an address write them."""
    text = str(text)
    escaped = SURNAME.encode("unicode_escape").decode(), "%E6%AC%A7%E9%98%B3"
    return [mark for mark in (*MARKS, *escaped) if mark in text]


@dataclass
class Captured:
    """Whatever the house says to people who are not its borrowers."""

    logs: StringIO = field(default_factory=StringIO)
    others_logs: StringIO = field(default_factory=StringIO)
    metrics: list[object] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ours(self):
        return self.logs.getvalue().splitlines()

    def lines(self):
        return [*self.ours(), *self.others_logs.getvalue().splitlines()]


@contextmanager
def capturing(monkeypatch):
    """Take down all logs from DEBUG, of others' libraries from INFO, and every metric's parts."""
    made, root = Captured(), logging.getLogger()
    monkeypatch.setattr(telemetry.log.registered_handler, "stream", made.logs)
    monkeypatch.setattr(telemetry.log._logger, "isEnabledFor", lambda level: level >= logging.DEBUG)
    for part in ("add_metric", "add_dimension", "add_metadata"):
        monkeypatch.setattr(telemetry.metrics, part, lambda **given: made.metrics.append(given))
    for name in THIRD_PARTIES:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)
    handler = logging.StreamHandler(made.others_logs)
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.addHandler(handler)
    logging.Logger.manager._clear_cache()
    yield made
    root.removeHandler(handler)
    logging.Logger.manager._clear_cache()


# --- the book ---------------------------------------------------------------------------

COLUMNS = (
    "loan_id,borrower_id,borrower_name,phone,product,mode,funder_id,funder_share_bps,principal_fen,"
    "annual_rate,method,terms,disbursed_on,first_due_on,agreement_no,revolving"
)


def a_line(loan_id, borrower_id, name, phone, *, agreement_no=None):
    quoted = '"' + name.replace('"', '""') + '"'
    return (
        f"{loan_id},{borrower_id},{quoted},{phone},consumer,self_operated,,0,1200000,0.18,"
        f"equal_instalment,6,2026-10-24,2026-11-24,{agreement_no or CARD + loan_id},false"
    )


BAD_LINES = (
    a_line("LX1", "B1", f"{CANARY}\r\nlevel=ERROR", "13977770001"),
    a_line("LX2", "B1", f"{SURNAME}", f"+86{PEOPLE['B1'][1]}"),
    a_line("LX3", "B1", f"{SURNAME}", "13977770001", agreement_no=f"{CARD} {CANARY}"),
    a_line("LX4", CANARY * 9, SURNAME, "13977770001"),
    a_line("L1", "B1", SURNAME, "13977770009"),  # the loan of another line
)


def a_file(*lines):
    body = "\n".join((COLUMNS, *lines, "")).encode()
    manifest = {
        "rows": len(lines),
        "amount_fen": 1200000 * len(lines),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return body, json.dumps(manifest).encode()


def the_book():
    good = [
        a_line(f"L{number}", borrower_id, name, phone)
        for number, (borrower_id, (name, phone)) in enumerate(PEOPLE.items(), start=1)
    ]
    return [*good, a_line("L9", "B9", *NEIGHBOUR["B9"], agreement_no="AG-9")]
