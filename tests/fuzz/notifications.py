"""Notification bodies and headers to be fuzzed: what a platform sends, and what might arrive."""

import json
from random import Random  # noqa: TID251  seeded: the same number makes the same body

ORDER_NO = "20261124-1-LN1"
PAYMENT = {
    "order_no": ORDER_NO,
    "trade_no": "T1",
    "status": "SUCCEEDED",
    "failure_code": None,
    "message": "card 6222020200112233445",
    "amount_fen": 1_000_00,
    "currency": "CNY",
    "paid_at": "2026-11-24T09:00:00+08:00",
}
RECEIPT = {
    "receipt_id": "R1",
    "message_id": "20261124-paid-1-B1",
    "status": "DELIVERED",
    "reported_at": "2026-11-24T08:10:00+08:00",
    "reason": None,
}
VALUES = (
    "0", "-0", "1", "-1", "1.0", "100.001", "1e2", "1E400", "1e-400", "-1e999", "NaN", "Infinity", "-Infinity",
    "true", "false", "null", '""', '"100"', '"１００"', '" 1_000 "', "１００", "1_000", "0100", "+1", "0x64",
    "9" * 12, "9" * 13, "9" * 19, "9" * 400, "9" * 4000, "9" * 5000, "[]", "{}", "[[]]", '{"a": 1, "a": 2}',
    "[" * 31 + "]" * 31, "[" * 33 + "]" * 33, "[" * 20_000, '{"a":' * 5000, '"\\ud800"', '"\\udfff\\ud800"',
    '"\\ud83d\\ude00"', '"\\u0000"', '"\\uffff"', '"\\ufffe"', '"\uffff"', '"a\\nb"', '"a b"', '"a\x00b"',
    '"\x7f"', '"\u202e"', '"é"', '"王小明"', '"😀"', '"' + "x" * 64 + '"', '"' + "x" * 65 + '"',
    '"' + "x" * 60_000 + '"', '"' + "\\\\" * 20_000 + '"', '"20261124-1-LN1\\n"', '"20261124-1-"',
    '"00000000-1-LN1"', '"20261324-1-LN1"', '"99991231-1-LN1"', '"٢٠٢٦١١٢٤-1-LN1"', '"2026-11-24"',
    '"2026-11-24T09:00:00"', '"2026-11-24T09:00:00Z"', '"2026-11-24t09:00:00z"', '"2026-11-24 09:00Z"',
    '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2026-11-24T24:00:00Z"', '"1700000000"',
    '"2026-11-24T23:59:60Z"', '"2026-11-24T09:00:00.123456789Z"', '"2026-11-24T09:00:00+24:00"', "1700000000",
    '"1e10"', '"-1"', '"NaN"', '"infinity"', '"=HYPERLINK()"', '"<img onerror=1>"', '"%0a%0d"', '"../../x"',
)  # fmt: skip
BYTES = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b'"', b"\\",
    b"\\u", b"\\ud83d", b"[", b"]", b"{", b"}", b",", b":", b"/*", b"//", b"'", b"\xc2\xa0", b"\xe3\x80\x80",
    b"\xef\xbc\x91", b"\x1a", b"\r\n", b"NaN", b"1e999", b"\xd5\xc5", b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
)  # fmt: skip
LARGE = (
    b"[", b"{", b'{"a":', b'"', b'\\"', b"\\", b'""', b"1", b"-", b"1e", b"1.", b" ", b"\n", b"\xff", b"\xe7\x8e\x8b",
    b"\x00", b"[1,", b'"\\u', b"\\u0000", b'{"a":1},', b'"a":"b",', b"null,", b"\xed\xa0\x80", b'["', b'{"":', b"/",
    b"9", b"0.", b"e", b"tru", b"][", b"}{", b'"\\"', b'"\\\\', b'[{"a":"', b'"order_no":"A",', b"NaN,", b"\r",
)  # fmt: skip


def a_body(seed: str, valid: dict[str, object]) -> bytes:
    """Make the body of a seed: other members, other values, other bytes."""
    rng = Random(seed)
    members = [(json.dumps(name), json.dumps(value)) for name, value in valid.items()]
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        at = rng.randrange(len(members))
        name, value = members[at]
        match rng.randrange(8):
            case 0 | 1 | 2 | 3:
                members[at] = (name, rng.choice(VALUES))
            case 4:
                members.append((name, rng.choice([value, rng.choice(VALUES)])))
            case 5:
                members.append((rng.choice(['"more"', '"role"', '"order\\u005fno"', '""']), value))
            case 6:
                members[at] = (rng.choice([name.upper(), name + " ", '"ｏrder_no"', "more"]), value)
            case _:
                del members[at : at + (len(members) > 1)]
    rng.shuffle(members)
    body = "{" + ", ".join(f"{name}: {value}" for name, value in members) + "}"
    return _spoilt(rng, body.encode("utf-8", "surrogatepass"))


def _spoilt(rng: Random, body: bytes) -> bytes:
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 4])):
        at = rng.randint(0, len(body))
        match rng.randrange(6):
            case 0:
                body = body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
            case 1:
                body = body[:at]
            case 2 | 3:
                body = body[:at] + rng.choice(BYTES) + body[at:]
            case 4:
                body = body[:at] + body[at + rng.randint(1, 20) :]
            case _:
                body += body[:at]
    return body


# --- headers ----------------------------------------------------------------------------

NAMES = ("X-Key-Id", "X-Timestamp", "X-Nonce", "X-Signature", "Content-Type")
TEXTS = (
    "", " ", "0", "a", "é", "王", "\ud83d", "\x00", "a\r\nX-Key-Id: b", "x" * 10_000, "=" * 100, "AAAA", "AAA",
    "A" * 344, "null", "[]", "{}", "../../x", "2026-11-24", "2026-11-24T09:00:00", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "1700000000", "nan", "20261124T090000Z", "2026-W48-2T09:00:00Z", "٢٠٢٦-11-24",
    "application/json", "application/json; charset=gbk", "APPLICATION/JSON", "application/xml", "text/plain",
    "application/json, text/plain", "multipart/form-data", "*/*", "application/json;", "application/json\x00",
)  # fmt: skip


def some_headers(seed: str, valid: dict[str, str]) -> dict[str, str]:
    """Make the headers of a seed: others' values, other names, some missing."""
    rng = Random(seed)
    made = dict(valid)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        name = rng.choice(NAMES)
        match rng.randrange(5):
            case 0 | 1:
                made[name] = rng.choice(TEXTS)
            case 2:
                made.pop(name, None)
            case 3:
                value = made.pop(name, "")
                made[rng.choice([name.lower(), name.upper(), name + " ", "X-Other"])] = value
            case _:
                value = made.get(name, "")
                at = rng.randint(0, len(value))
                made[name] = value[:at] + rng.choice(["", "A", "=", " ", "é"]) + value[at + 1 :]
    return made
