"""A day's worth of doors, good and bad, for borrowers whose data can be told from afar."""

import json
import traceback
from datetime import timedelta

from chalicelib.adapters.dynamodb.tables import NoticeRow
from tests.builders import TODAY, at
from tests.entrypoints.callers import FORM, Knock, replaced, signed
from tests.entrypoints.canaries import BAD_LINES, CANARY, CARD, PEOPLE, SURNAME, a_file, the_book
from tests.lambdas import failures, sqs_event

OUTCOMES = ("succeed", "insufficient_funds", "timeout_after_charge", "wrong_amount", "html_error")


def files(street):
    """Let the book come with good and bad lines, then files that are bad as a whole."""
    house = street.house
    house.land(*a_file(*the_book(), *BAD_LINES), key="in/loans/20261124/loans_v1.csv")
    body, manifest = a_file(*the_book())
    house.land(body + b'"' + CARD.encode(), manifest, key="in/loans/20261124/loans_v2.csv")
    house.land(b"name\n" + CANARY.encode(), manifest, key="in/loans/20261124/loans_v3.csv")
    bill = f"trade_no,{CANARY}\n{CARD},{PEOPLE['B1'][1]}\n".encode()
    house.land(bill, manifest, key="in/payment/main/bill/20261123/bill_v1.csv")
    house.land(
        bill, f'{{"rows": "{CARD}"}}'.encode(), key="in/payment/main/bill/20261123/bill_v2.csv"
    )
    house.land(bill, manifest, key="in/elsewhere/file.csv")


def morning(street):
    """List, deduct, and let the platform answer in every way; then sweep."""
    house = street.house
    for number, outcome in enumerate(OUTCOMES, start=1):
        house.platform.script(f"{CARD}L{number}", [outcome])
    house.schedule("make_due_list", at(0, 10))
    house.schedule("open_round_1", at(8))
    for order_no in (f"20261124-1-L{number}" for number in range(1, 7)):
        house.ask(order_no)
    house.announce()


def texting(street):
    """Send the texts, and let receipts come that repeat what they should not."""
    house = street.house
    house.clock(at(8, 30))
    for _ in range(2):
        house.schedule("release_texts", at(8, 30))
        house.invoke("send_text", *house.waiting("texts"))
    told = {message["phone"] for message in street.phones.messages()["messages"]}
    assert told & {phone for _, phone in PEOPLE.values()}, "who should know a phone does"
    for row in NoticeRow.scan():
        receipt = {"receipt_id": "R", "message_id": row.notice_id, "status": "FAILED"}
        knock = Knock(
            method="POST",
            path="/v1/notifications/sms",
            body=json.dumps(receipt | {"reason": "停机"}).encode(),
        )
        assert street._texts(knock).status_code == 200
    house.invoke("take_receipt", *house.waiting("receipts"))


def paying(street):
    """Let borrowers quote and pay, by API and by page, and others try the same with theirs."""
    house = street.house
    house.clock(at(10))
    for borrower_id, loan_id in (("B1", "L1"), ("B6", "L6")):
        phone = house.phone(borrower_id)
        phone.get("/v1/loans")
        quoted = phone.asks_quote(loan_id).json_body
        phone.pays(quoted.get("quote_id", "Q"), loan_id=loan_id)
        phone.pays(quoted.get("quote_id", "Q"), loan_id=loan_id, key="other")
        phone.asks_quote(loan_id, kind=CANARY)
        phone.asks_quote(loan_id, kind="partial", note=CARD)
        phone.loan(f"{loan_id}%0d%0a{CANARY}")
        phone.loan(CARD)
        phone.pays(CARD * 9, loan_id=loan_id, key=f"{CANARY}\r\n{CANARY}")
    house.send_repayments()
    pages(street)


def pages(street):
    """Walk through pages: the owner's, and those of another who asks for the owner's."""
    for caller, cookie in (("owner", street.session("B5")), ("neighbour", street.session("B9"))):
        for path in (
            "/m",
            "/m/loans/L5",
            "/m/loans/L9",
            "/m/repay?loan.L5=1",
            "/m/confirm?q=Q1",
            "/m/result?o=20261124-1-L5",
            "/m/result?x=L5:loan_busy",
        ):
            answer = street.send(Knock(method="GET", path=path), cookie=cookie)
            if caller == "neighbour":
                street.house.answers.append(answer)
    form = Knock(
        method="POST", path="/m/quotes", body=f"loan.L5={CARD}".encode(), content_type=FORM
    )
    street.house.answers.append(street.send(form, cookie=street.session("B9")))


def notifying(street):
    """Let notifications come, believed and not, that say more than they should."""
    house = street.house
    news = {"order_no": "20261124-1-L1", "status": "SUCCEEDED", "message": f"{SURNAME} {CARD}"}
    good = Knock(method="POST", path="/v1/notifications/payments", body=json.dumps(news).encode())
    for knock, headers in (
        (good, signed(street.payments, good)),
        (good, signed(street.stranger, good)),
        (good, {"X-Key-Id": "k", "X-Signature": CARD, "X-Nonce": CANARY, "X-Timestamp": CARD}),
        *(
            (bad := replaced(good, body=body), signed(street.payments, bad))
            for body in (
                f'{{"order_no": "{CARD} {CANARY}"}}'.encode(),
                f'{{"order_no": "{CARD}", "status": "{CANARY} {SURNAME}"}}'.encode(),
                f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode(),
                f"{CANARY} {SURNAME}".encode("gbk"),
                f"{CANARY}".encode(),
            )
        ),
    ):
        house.answers.append(street.send(knock, headers=headers))
    house.invoke("take_payment_notification", *house.waiting("payment-notifications"))


def evening(street, said):
    """Run the rest of the timetable, up to the next day's close."""
    house, tomorrow = street.house, TODAY + timedelta(days=1)
    for job, now in (
        ("open_round_2", at(16)),
        ("sweep", at(16, 30)),
        ("watch", at(23, 40)),
        ("close_day", at(11, day=tomorrow)),
    ):
        attempt(said, house.schedule, job, now)


POISON = (
    CANARY,
    f'"{CARD}"',
    f'{{"order_no": ["{CARD} {SURNAME}"], "rung": null}}',
    f'{{"{CANARY}": "{CARD}"}}',
    f'{{"order_no": {{"name": "{SURNAME}"}}, "listed_fen": "{CARD}"}}',
    f'{{"job": "{CANARY}", "business_date": "{CARD}", "shard": 0}}',
    f'{{"message_id": "{CARD}", "receipt_id": "{CANARY}", "status": 7, "reason": "{SURNAME}"}}',
    f'{{"event": "due_soon", "borrower_id": "{CANARY}", "business_date": "{SURNAME}"}}',
    f'{{"notice_id": "{CARD}{CANARY}", "rung": "{SURNAME}"}}',
)


def poisoned(street, said, readers):
    """Give each queue's reader what it cannot read, and the stream and the bucket as well."""
    lambdas = street.house._lambdas.lambda_
    for handler in readers:
        for body in POISON:
            payload = attempt(said, lambdas.invoke, handler, sqs_event(body))
            assert failures(payload) == ["m0"], (handler, body)
    for body in (CANARY, f'{{"Records": [{{"{CARD}": 1}}]}}', f'{{"Records": "{CANARY}"}}'):
        attempt(said, lambdas.invoke, "file_landed", sqs_event(body))
    image = {"order_no": {"S": "20261124-1-L1"}, "amount": {"N": "1"}, CANARY: {"S": SURNAME}}
    attempt(
        said,
        lambdas.invoke,
        "announce",
        {"Records": [{"eventName": "INSERT", "dynamodb": {"NewImage": image}}]},
    )


def attempt(said, call, *given):
    """Call a Lambda; what it lets out is kept, as the runtime would print it."""
    try:
        return getattr(call(*given), "payload", None)
    except Exception as error:  # noqa: BLE001  whatever it is
        said.failures.append("".join(traceback.format_exception(error)))
        return None


def a_day(street, said, *, readers):
    """Drive all of it; `readers` are the Lambdas that read a queue."""
    files(street)
    morning(street)
    texting(street)
    paying(street)
    notifying(street)
    evening(street, said)
    poisoned(street, said, readers)
