"""How a file ought to be read: the other opinion on layouts and dialects, character by character.

Nothing here calls the readers under test, nor what they call: no csv, no re, no int() of a cell
that has not been looked at.
"""

import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

from chalicelib.adapters.file_dialects import Dialect

DIGITS = frozenset("0123456789")
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
NAMING = DIGITS | LETTERS | frozenset("abcdefghijklmnopqrstuvwxyz_-")
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
CHARACTERS_MAX = 64 * 1024
MARK = b"\xef\xbb\xbf"


class RefusedError(Exception):
    """No such cell, or no such file."""


def demand(holds: object) -> None:
    if not holds:
        raise RefusedError


# --- cells ------------------------------------------------------------------------------


def number(cell: str, *, most_digits: int = 18) -> int:
    demand(0 < len(cell) <= most_digits and DIGITS.issuperset(cell))
    return sum("0123456789".index(digit) * 10**place for place, digit in enumerate(cell[::-1]))


def within(least: int, most: int) -> Callable[[str], int]:
    def read(cell: str) -> int:
        found = number(cell)
        demand(least <= found <= most)
        return found

    return read


def name_of(most: int, least: int = 1) -> Callable[[str], str]:
    def read(cell: str) -> str:
        demand(least <= len(cell) <= most and NAMING.issuperset(cell))
        return cell

    return read


def any_of(*choices: str) -> Callable[[str], str]:
    def read(cell: str) -> str:
        demand(cell in choices)
        return cell

    return read


def words(cell: str) -> str:
    demand(1 <= len(cell) <= 64 and cell[0] != " " != cell[-1])
    demand(all(each == " " or unicodedata.category(each) not in UNSEEN for each in cell))
    return cell


def phone(cell: str) -> str:
    demand(len(cell) == 11 and cell[0] == "1" and DIGITS.issuperset(cell))
    return cell


def status(cell: str) -> str:
    demand(1 <= len(cell) <= 32 and cell[0] in LETTERS and (LETTERS | {"_"}).issuperset(cell))
    return cell


def rate(cell: str) -> Fraction:
    whole, point, part = cell.partition(".")
    demand(len(whole) == 1 and (not point or len(part) <= 8))
    found = Fraction(number(whole)) + (Fraction(number(part), 10 ** len(part)) if point else 0)
    demand(found <= Fraction(36, 100))
    return found


def day(cell: str) -> date:
    demand(len(cell) == 10 and cell[:2] == "20" and cell[4] == cell[7] == "-")
    year, month, day_of_month = number(cell[:4]), number(cell[5:7]), number(cell[8:])
    demand(1 <= month <= 12 and 1 <= day_of_month <= monthrange(year, month)[1])
    return date(year, month, day_of_month)


def moment(cell: str) -> datetime:
    on, rest = day(cell[:10]), cell[10:]
    demand(len(rest) >= 10 and rest[0] == "T" and rest[3] == rest[6] == ":")
    hour, minute, second = (number(rest[start : start + 2]) for start in (1, 4, 7))
    demand(hour < 24 and minute < 60 and second < 60)
    offset, micros = rest[9:], 0
    if offset[0] == ".":
        length = next((at for at, each in enumerate(offset[1:]) if each not in DIGITS), 0)
        demand(1 <= length <= 6)
        micros, offset = number(offset[1 : length + 1].ljust(6, "0")), offset[length + 1 :]
    if offset == "Z":
        zone = UTC
    else:
        demand(len(offset) == 6 and offset[0] in "+-" and offset[3] == ":")
        hours, minutes = number(offset[1:3]), number(offset[4:])
        demand(hours < 24 and minutes < 60)
        ahead = timedelta(hours=hours, minutes=minutes)
        zone = timezone(ahead if offset[0] == "+" else -ahead)
    return datetime(on.year, on.month, on.day, hour, minute, second, micros, zone)


def flag(cell: str) -> bool:
    demand(cell.isascii())
    yes, no = {"true", "1", "y"}, {"false", "0", "n", ""}
    lower = cell.lower()
    demand(lower in yes | no)
    return lower in yes


def fen(cell: str) -> int:
    sign = cell[:1] == "-"
    found = number(cell[sign:], most_digits=15)
    return -found if sign else found


def yuan(cell: str) -> int:
    sign = cell[:1] == "-"
    whole, _, part = cell[sign:].partition(".")
    demand(len(part) == 2)
    found = number(whole, most_digits=13) * 100 + number(part)
    return -found if sign else found


def share(cell: str) -> int:
    return within(0, 10_000)(cell) if cell else 0


@dataclass(frozen=True)
class Sheet:
    """A kind of file: its columns, its amounts with the least of each, and which are summed up.

    `fits` is what must be true of a line's values together; `key` is what may stand once.
    """

    columns: dict[str, Callable[[str], object]]
    amounts: dict[str, int | None]
    control: tuple[str, ...]
    fits: Callable[[dict], bool] = lambda _: True
    key: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        return {*self.columns, *self.amounts}


LOANS = Sheet(
    columns={
        "loan_id": name_of(32),
        "borrower_id": name_of(32),
        "borrower_name": words,
        "phone": phone,
        "product": name_of(32),
        "mode": any_of("self_operated", "joint_lending", "loan_assistance"),
        "funder_id": name_of(32, 0),
        "funder_share_bps": share,
        "annual_rate": rate,
        "method": any_of("equal_instalment", "equal_principal", "interest_first", "bullet"),
        "terms": within(1, 360),
        "disbursed_on": day,
        "first_due_on": day,
        "agreement_no": name_of(32),
        "revolving": flag,
    },
    amounts={"principal_fen": 1},
    control=("principal_fen",),
)
BILL = Sheet(
    columns={
        "trade_no": name_of(64),
        "order_no": name_of(64),
        "agreement_no": name_of(32),
        "status": status,
        "paid_at": moment,
    },
    amounts={"amount_fen": 1, "funder_amount_fen": 0, "platform_amount_fen": 0},
    control=("amount_fen",),
)


def perhaps(read_cell: Callable[[str], object], nothing: object) -> Callable[[str], object]:
    return lambda cell: read_cell(cell) if cell else nothing


def sentence(cell: str) -> str:
    demand(1 <= len(cell) <= 200 and cell[0] != " " != cell[-1])
    demand(all(each == " " or unicodedata.category(each) not in UNSEEN for each in cell))
    return cell


COMPONENTS = ("principal", "interest", "penalty")


def parts_fit(values: dict) -> bool:
    return all(
        values[name] == values[f"funder_{name}"] + values[f"platform_{name}"] for name in COMPONENTS
    )


def result_fits(values: dict) -> bool:
    paid = any(values[name] for name in COMPONENTS)
    if values["status"] == "FAILED":
        return values["failure_code"] != "" and not paid
    return bool(
        paid and values["paid_at"] and values["funder_trade_no"] and not values["failure_code"]
    )


DUE = Sheet(
    columns={"loan_id": name_of(32), "instalment_no": within(1, 360), "due_on": day},
    amounts={
        f"{party}{name}_fen": 0 for party in ("", "funder_", "platform_") for name in COMPONENTS
    },
    control=("principal_fen", "interest_fen", "penalty_fen"),
    fits=parts_fit,
    key=("loan_id", "instalment_no"),
)
RESULTS = Sheet(
    columns={
        "loan_id": name_of(32),
        "instalment_no": within(1, 360),
        "round": within(0, 3),
        "status": any_of("SUCCEEDED", "FAILED"),
        "paid_at": perhaps(moment, None),
        "failure_code": perhaps(status, ""),
        "funder_trade_no": name_of(64, 0),
    },
    amounts=dict.fromkeys(("principal_fen", "interest_fen", "penalty_fen"), 0),
    control=("principal_fen", "interest_fen", "penalty_fen"),
    fits=result_fits,
    key=("loan_id", "instalment_no", "round", "funder_trade_no"),
)
CONFIRMATION = Sheet(
    columns={
        "order_no": name_of(64),
        "status": any_of("agreed", "differs"),
        "reason": perhaps(sentence, ""),
    },
    amounts={"funder_amount_fen": 0},
    control=("funder_amount_fen",),
    fits=lambda values: values["status"] == "agreed" or values["reason"] != "",
    key=("order_no",),
)


# --- files ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """One line: its number, its control amount if that can be read, its values if all can."""

    number: int
    amount: int | None
    values: dict[str, object] | None


def read(body: bytes, *, sheet: Sheet, dialect: Dialect) -> list[Reading]:
    """Read a file as agreed.

    :raises RefusedError: if it fails as a whole.
    """
    rows = list(rows_of(text_of(body, dialect.encoding), dialect.separator))
    rows = [(at, [cell.removeprefix(dialect.value_prefix) for cell in row]) for at, row in rows]
    demand(rows and rows[0][1])
    header = [dialect.headers.get(name, name) for name in rows[0][1]]
    demand(sheet.names <= set(header) and len(set(header)) == len(header))
    unit = yuan if dialect.amount_unit == "yuan" else fen
    rows, trailer = split_off(rows[1:], dialect)
    lines = [line_of(at, header, row, sheet=sheet, unit=unit) for at, row in rows]
    keys = [key_of(header, row, sheet) for _, row in rows]
    lines = [
        replace(line, values=None) if key is not None and key in keys[:before] else line
        for before, (line, key) in enumerate(zip(lines, keys, strict=True))
    ]
    if dialect.trailer:
        figures = (dialect.trailer.rows_at, dialect.trailer.amount_at)
        demand(trailer and len(trailer) > max(figures))
        said_rows, said_amount = (trailer[at] for at in figures)
        demand(number(said_rows) == len(lines) <= 10**9)
        said, amounts = unit(said_amount), [line.amount for line in lines]
        # Without every amount there is no sum to hold a figure against; the lines are named.
        demand(None in amounts or said == sum(amounts))
    return lines


def text_of(body: bytes, encoding: str) -> str:
    try:
        if encoding == "utf-8":
            return body.removeprefix(MARK).decode()
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise RefusedError from error
    try:
        body.decode()
    except UnicodeDecodeError:
        return text
    demand(body.isascii())
    return text


def rows_of(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Cut text into rows of cells; each with the number of the line it ends on."""
    demand(text.endswith("\n") or not text)
    lines = [line + "\n" for line in text.split("\n")[:-1]]
    demand(all(len(line) <= CHARACTERS_MAX for line in lines))
    numbered = iter(enumerate(lines, start=1))
    for at, line in numbered:
        more = _More(numbered, at=at, size=len(line))
        cells, rest = [], line
        while rest.strip("\r\n"):
            cell, rest, is_open = _cell(rest, separator)
            while is_open:
                cell, rest, is_open = _closed(cell, more.line(), separator)
            cells.append(cell)
            if rest[:1] != separator:
                break
            rest = rest[1:]
            if not rest.strip("\r\n"):
                cells.append("")
        demand(not rest.strip("\r\n"))
        yield more.at, cells


class _More:
    """The lines that one row goes on over."""

    def __init__(self, numbered: Iterator[tuple[int, str]], *, at: int, size: int) -> None:
        self._numbered, self.at, self._size = numbered, at, size

    def line(self) -> str:
        self.at, line = next(self._numbered, (0, ""))
        self._size += len(line)
        demand(line and self._size <= CHARACTERS_MAX)
        return line


def _cell(rest: str, separator: str) -> tuple[str, str, bool]:
    if rest[0] == '"':
        return _closed("", rest[1:], separator)
    stops = (at for at, each in enumerate(rest) if each in (separator, "\r", "\n"))
    stop = next(stops, len(rest))
    return rest[:stop], rest[stop:], False


def _closed(cell: str, rest: str, separator: str) -> tuple[str, str, bool]:
    """Read on to the quote that ends a cell; it may stand on another line."""
    while '"' in rest:
        part, _, rest = rest.partition('"')
        cell += part
        if rest[:1] != '"':
            demand(rest[:1] in (separator, "\r", "\n"))
            return cell, rest, False
        cell, rest = cell + '"', rest[1:]
    return cell + rest, "", True


def split_off(rows: list[tuple[int, list[str]]], dialect: Dialect):
    """Split the trailer off; nothing may follow it."""
    if not dialect.trailer:
        return rows, None
    at = next((at for at, (_, row) in enumerate(rows) if row[:1] == [dialect.trailer.mark]), None)
    demand(at is not None and at == len(rows) - 1)
    return rows[:at], rows[at][1]


def line_of(at: int, header: list[str], row: list[str], *, sheet: Sheet, unit) -> Reading:
    if len(row) != len(header):
        return Reading(at, None, None)
    cells = dict(zip(header, row, strict=True))
    values, sound, sums = {}, True, {}
    for name, read_cell in sheet.columns.items():
        try:
            values[name] = read_cell(cells[name])
        except (RefusedError, IndexError):
            sound = False
    for name, least in sheet.amounts.items():
        try:
            money = unit(cells[name])
        except RefusedError:
            sound = False
            continue
        sums[name] = money
        values[name.removesuffix("_fen")] = money
        sound = sound and money >= least
    control = sum(sums[name] for name in sheet.control) if set(sheet.control) <= set(sums) else None
    return Reading(at, control, values if sound and sheet.fits(values) else None)


def key_of(header: list[str], row: list[str], sheet: Sheet) -> tuple | None:
    """Read what tells a line apart; None if that cannot be read."""
    if not sheet.key or len(row) != len(header):
        return None
    cells = dict(zip(header, row, strict=True))
    try:
        return tuple(sheet.columns[name](cells[name]) for name in sheet.key)
    except (RefusedError, IndexError):
        return None
