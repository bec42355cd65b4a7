"""Guards of the doors: what borrowers start, and what the platforms tell us."""

from tests.simulation.mutants import Edit, mutant

AREA = "borrowers' repayments"
NOTIFIED = "notifications"
START = "chalicelib.flows.early_repayment"
IDEMPOTENCY = "chalicelib.flows.idempotency"
REQUESTS = "chalicelib.adapters.dynamodb.requests:DynamoRequests"
NOTIFICATION = "chalicelib.flows.payment_notification"

NOTE = "        desk.active_orders.open(business_date=quoted.as_of, order_no=order_no, at=now)\n"
NET = "        desk.asks.put([AskMessage(order_no=order_no)], delay_seconds=NET_SECONDS)\n"
BEGUN = "        return _on_its_way(order_no=order_no, amount_fen=slot.amount.fen, desk=desk)\n"

REPAYMENTS = (
    mutant(
        AREA,
        "noted_after_claim",
        "a borrower's order is noted only once it holds the slot",
        Edit(f"{START}:start", NOTE),
        Edit(f"{START}:start", BEGUN, NOTE + BEGUN),
        net="looked_after_after_claim",
    ),
    mutant(
        AREA,
        "looked_after_after_claim",
        "the message that looks after a borrower's order is put only once it holds the slot",
        Edit(f"{START}:start", NET),
        Edit(f"{START}:start", BEGUN, NET + BEGUN),
        net="noted_after_claim",
    ),
    mutant(
        AREA,
        "note_forgotten_too_early",
        "the note of an order that is about to be claimed is tidied away",
        Edit(
            "chalicelib.flows.active_orders:tidy",
            "is_idle = order_no not in held and now - noted_at > patience",
            "is_idle = order_no not in held",
        ),
        net="looked_after_after_claim",
    ),
    mutant(
        AREA,
        "claimed_over_another_order",
        "a borrower claims a loan whose slot is taken",
        Edit(
            "chalicelib.domain.loan:why_barred",
            "if loan.slot is not None:",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "claimed_though_held",
        "a borrower claims a loan that is held for a discrepancy",
        Edit(
            "chalicelib.domain.loan:why_barred",
            "if loan.hold and not is_mandate_hold(loan.hold):",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "started_twice",
        "an order that has ended is started again from its quote",
        Edit(
            f"{START}:_begun",
            "    record = desk.books.journal.find(order_no)\n",
            "    record = None\n",
        ),
    ),
    mutant(
        AREA,
        "anothers_order_called_ones_own",
        "of two requests for one quote both are told that they started it",
        Edit(f"{START}:_begun", "if loan.slot.request != request:", "if False:"),
        Edit(f"{START}:_begun", "if record.request != request:", "if False:"),
    ),
    mutant(
        AREA,
        "quote_not_compared",
        "what is charged need not be what was quoted",
        Edit(
            f"{START}:QuotedTerms.still_hold",
            "return (self.as_of, self.schedule_version, self.amount_fen, self.parts_fen) == (",
            "return True or () == (",
        ),
    ),
    mutant(
        AREA,
        "quote_of_another_schedule",
        "a quote holds though the loan was cut again since",
        Edit(
            f"{START}:QuotedTerms.still_hold",
            "return (self.as_of, self.schedule_version, self.amount_fen",
            "return (self.as_of, found.schedule_version, self.amount_fen",
        ),
    ),
    mutant(
        AREA,
        "expired_quote_taken",
        "a quote holds for ever",
        Edit(f"{START}:_decide", "now >= quoted.expires_at or ", ""),
    ),
    mutant(
        AREA,
        "key_ignored",
        "a request is worked again when its key comes again",
        Edit(f"{IDEMPOTENCY}:once", "    if standing is not None:", "    if False:"),
    ),
    mutant(
        AREA,
        "answer_not_kept",
        "the answer to a request is not kept",
        Edit(f"{IDEMPOTENCY}:once", "    if answer.is_final:", "    if False:"),
    ),
    mutant(
        AREA,
        "answer_written_over",
        "the answer to a request is written over one that was given",
        Edit(
            f"{REQUESTS}.end",
            "_row_of(request).save(condition=RequestRow.answer.does_not_exist())",
            "_row_of(request).save()",
        ),
        same_because="of the workers of one request all are told of the one order of its quote:"
        " the answer written over is the same",
    ),
)

NOTIFICATIONS = (
    mutant(
        NOTIFIED,
        "forged_notification_accepted",
        "a notification is taken whoever signed it",
        Edit(
            "chalicelib.entrypoints.platform_api:_acknowledged",
            "        verifier().verify(request.method, path, request.headers, body, now=wall_clock())\n",
        ),
    ),
    mutant(
        NOTIFIED,
        "notification_believed",
        "what a notification says of an order is its end; the platform is not asked",
        Edit(
            f"{NOTIFICATION}:take",
            "        outcome = deduction.ask(\n",
            "        loan = deduction.posting.loan_of(message.order_no, desk.deducting.books)\n"
            '        if (notification and notification.status == "FAILED"\n'
            "                and deduction.posting.is_in_flight(loan, message.order_no)):\n"
            "            deduction.posting.end(loan=loan, result=deduction.failed("
            'notification.failure_code or "BANK_UNAVAILABLE"), now=now,'
            ' settled_by="platform", books=desk.deducting.books)\n'
            "        outcome = deduction.ask(\n",
        ),
    ),
    mutant(
        NOTIFIED,
        "notification_not_worked",
        "a notification is stored and acknowledged, and its order not asked after",
        Edit(
            f"{NOTIFICATION}:receive",
            "    queue.put(\n",
            "    (lambda messages: None)(\n",
        ),
        same_because="silence is not failure: an order is asked after whether anybody notifies or"
        " not; the notification only makes it sooner",
    ),
    mutant(
        NOTIFIED,
        "inbox_written_over",
        "a notification that comes again is stored again",
        Edit(
            "chalicelib.adapters.dynamodb.notifications:DynamoInbox.put",
            "condition=NotificationRow.notification_id.does_not_exist()",
        ),
        same_because="taken again, its order is asked after again, which changes nothing: the"
        " inbox spares calls",
    ),
)

MUTANTS = (*REPAYMENTS, *NOTIFICATIONS)
