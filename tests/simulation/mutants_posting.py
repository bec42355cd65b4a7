"""Guards of one deduction: the claim, the call, the journal, the loan's head."""

from tests.simulation.mutants import Constant, Edit, mutant

AREA = "claim, call, posting"
DEDUCTION = "chalicelib.flows.deduction"
LOANS = "chalicelib.adapters.dynamodb.loans:DynamoLoans"
JOURNAL = "chalicelib.adapters.dynamodb.journal"
SCHEDULES = "chalicelib.adapters.dynamodb.schedules:DynamoSchedules"
DOMAIN = "chalicelib.domain.deduction"
HEADS = "chalicelib.domain.loan"

CLAIM = """        try:
            claimed = desk.books.loans.write(replace(loan, slot=decided))
        except MovedByAnotherError:
            continue
"""

WRITES = (
    mutant(
        AREA,
        "head_written_over",
        "a loan's head is written whatever version stands",
        Edit(f"{LOANS}.write", ".save(condition=LoanRow.version == loan.version)", ".save()"),
    ),
    mutant(
        AREA,
        "record_written_over",
        "a record of the journal is written though one stands",
        Edit(
            f"{JOURNAL}:_put",
            "row.save(condition=JournalRow.order_no.does_not_exist())",
            "row.save()",
        ),
    ),
    mutant(
        AREA,
        "schedule_of_its_own_refused",
        "who finds the schedule it wrote itself takes it for another's",
        Edit(f"{SCHEDULES}.add", " | (ScheduleRow.source == source)"),
    ),
    mutant(
        AREA,
        "schedule_written_over",
        "a schedule is written though one of another source stands",
        Edit(
            f"{SCHEDULES}.add",
            "condition=ScheduleRow.loan_id.does_not_exist() | (ScheduleRow.source == source)",
        ),
        same_because="the next version is written by the order in the slot alone, and always the"
        " same; the slot, whose own mutants die, keeps every other order away",
    ),
    mutant(
        AREA,
        "head_before_schedule",
        "the head points at a new schedule that is not written yet",
        Edit(
            "chalicelib.flows.posting:post",
            "            books.loans.write(after)\n",
            "            books.loans.write(after)\n"
            "            _after(posting or _posted(current, books), record, books)"
            " if succeeded else None\n",
        ),
        Edit(
            "chalicelib.flows.posting:_after",
            "    if posting.cut_after is not None and",
            "    if posting.cut_after is not None and not is_in_flight("
            "loan_of(record.order_no, books), record.order_no) and",
        ),
    ),
    mutant(
        AREA,
        "posted_before_recorded",
        "the loan takes the money before the journal has the record",
        Edit(
            "chalicelib.flows.posting:end",
            "    if not books.journal.put(record):",
            "    post(loan=loan, record=record, books=books)\n"
            "    if not books.journal.put(record):",
        ),
    ),
    mutant(
        AREA,
        "sent_before_claimed",
        "the platform is called before the slot is claimed",
        Edit(
            f"{DEDUCTION}:take",
            CLAIM,
            "        sent = _send(replace(loan, slot=decided), desk)\n"
            + CLAIM.replace("continue", "return Outcome.UNKNOWN"),
        ),
        Edit(f"{DEDUCTION}:take", "answer=_send(claimed, desk)", "answer=sent"),
    ),
    mutant(
        AREA,
        "claim_lost_and_sent",
        "who loses the claim sends all the same",
        Edit(
            f"{DEDUCTION}:take",
            CLAIM,
            CLAIM.replace(
                "            continue", "            claimed = replace(loan, slot=decided)"
            ),
        ),
    ),
    mutant(
        AREA,
        "posting_given_up",
        "who finds the head moved posts no second time",
        Edit(
            "chalicelib.flows.posting:post",
            "            current, posting = loan_of(record.order_no, books), None",
            "            break",
        ),
        net="sweep_asks_nobody",
    ),
    mutant(
        AREA,
        "posted_out_of_the_slot",
        "a record is posted to its loan whichever order holds the slot",
        Edit(
            "chalicelib.flows.posting:post",
            "while is_in_flight(current, record.order_no):",
            "while current.slot is not None:",
        ),
    ),
    mutant(
        AREA,
        "contradiction_not_held",
        "a loan whose failed order the platform now calls paid is not held",
        Edit(
            "chalicelib.flows.posting:contradicted",
            "    hold(loan_id=record.loan_id, reason=reason_of_contradiction(record.order_no),"
            " books=books)\n",
        ),
    ),
    mutant(
        AREA,
        "failure_keeps_the_slot",
        "a failed order does not free its loan's slot",
        Edit(f"{HEADS}:released", "        slot=None,\n"),
    ),
)

READS = (
    mutant(
        AREA,
        "journal_not_asked_before_claim",
        "an order that has its end is claimed again when its message comes again",
        Edit(
            f"{DEDUCTION}:take",
            "        if desk.books.journal.find(message.order_no):\n"
            "            return Outcome.REPEATED\n",
        ),
    ),
    mutant(
        AREA,
        "journal_read_before_head",
        "the journal is read before the head it is to be held against",
        Edit(
            f"{DEDUCTION}:take",
            "        loan = posting.loan_of(message.order_no, desk.books)\n",
            "        ended = desk.books.journal.find(message.order_no)\n"
            "        loan = posting.loan_of(message.order_no, desk.books)\n",
        ),
        Edit(
            f"{DEDUCTION}:take",
            "        if desk.books.journal.find(message.order_no):\n",
            "        if ended:\n",
        ),
    ),
    mutant(
        AREA,
        "journal_read_stale",
        "the journal is read as it may have been a while ago",
        Edit(f"{JOURNAL}:DynamoJournal.find", "consistent_read=True,", "consistent_read=False,"),
    ),
    mutant(
        AREA,
        "head_read_stale",
        "a head is read as it may have been a while ago",
        Edit(f"{LOANS}.get", "consistent_read=True", "consistent_read=False"),
    ),
    mutant(
        AREA,
        "new_schedule_not_read_again",
        "a schedule that a cheap read does not show yet is taken for missing",
        Edit(
            "chalicelib.adapters.dynamodb.schedules:_row_of",
            "for is_fresh in (False, True):",
            "for is_fresh in (False,):",
        ),
    ),
    mutant(
        AREA,
        "other_not_finished",
        "an earlier order that is recorded and not posted is left in the slot",
        Edit(
            f"{DEDUCTION}:take",
            "        if _finish_other(loan, desk):\n            continue\n",
        ),
    ),
    mutant(
        AREA,
        "own_order_not_resumed",
        "an order whose message comes again is not gone on with",
        Edit(
            f"{DEDUCTION}:take",
            "if posting.is_in_flight(loan, message.order_no):",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "slot_not_checked",
        "a round claims a loan whose slot is taken",
        Edit(f"{HEADS}:slot_for", "if loan.slot is not None:", "if False:"),
    ),
    mutant(
        AREA,
        "hold_not_checked",
        "a round claims a loan that is on hold",
        Edit(f"{HEADS}:slot_for", "if loan.hold:", "if False:"),
    ),
    mutant(
        AREA,
        "charged_as_listed",
        "what was listed is charged, not what is owed by now",
        Edit(f"{HEADS}:slot_for", "amount=dues.amount,", "amount=listed,"),
    ),
    mutant(
        AREA,
        "amount_rose_not_checked",
        "more is charged than was listed",
        Edit(f"{HEADS}:slot_for", "if dues.amount > listed:", "if False:"),
        same_because="nothing makes what a loan owes as of a fixed date rise after it was listed:"
        " payments lower it, and no posting is ever taken back; the guard waits for a reversal",
    ),
    mutant(
        AREA,
        "window_not_checked",
        "a round's order is sent at any hour",
        Edit(f"{DEDUCTION}:_may_send", "else desk.window.is_open(now, business_date)", "else True"),
        Edit(f"{DEDUCTION}:_decide", "if desk.window.has_closed(now, business_date):", "if False:"),
    ),
    mutant(
        AREA,
        "pause_not_checked",
        "orders are sent while payments are paused",
        Edit(f"{DEDUCTION}:_may_send", " and not desk.controls.is_paused()"),
    ),
)

ANSWERS = (
    mutant(
        AREA,
        "new_number_for_the_same_due",
        "what the platform does not know yet is sent under a new number",
        Edit(
            f"{DEDUCTION}:_resume",
            "answer = _send(loan, desk)",
            'anew = slot.order_no.replace("-1-", "-3-").replace("-2-", "-3-")\n'
            "        answer = _send(replace(loan, slot=replace(slot, order_no=anew)), desk)",
        ),
    ),
    mutant(
        AREA,
        "not_exist_is_failed",
        "an order the platform does not know (yet) has failed",
        Edit(
            f"{DEDUCTION}:_resume",
            "if answer.status is AnswerStatus.NOT_EXIST and",
            "if False and",
        ),
        Edit(
            f"{DOMAIN}:verdict",
            "case AnswerStatus.CLOSED:",
            "case AnswerStatus.CLOSED | AnswerStatus.NOT_EXIST:",
        ),
    ),
    mutant(
        AREA,
        "processing_is_failed",
        "an order the platform still works at has failed",
        Edit(
            f"{DOMAIN}:verdict",
            "case AnswerStatus.CLOSED:",
            "case AnswerStatus.CLOSED | AnswerStatus.PROCESSING:",
        ),
    ),
    mutant(
        AREA,
        "accepted_is_succeeded",
        "an order the platform has only taken in has succeeded",
        Edit(
            f"{DOMAIN}:verdict",
            "case AnswerStatus.CLOSED:",
            "case AnswerStatus.PROCESSING:\n"
            "            return Result(status=Status.SUCCEEDED, trade_no=answer.trade_no)\n"
            "        case AnswerStatus.CLOSED:",
        ),
    ),
    mutant(
        AREA,
        "throttled_is_failed",
        "a call that was throttled has failed",
        Edit(
            f"{DOMAIN}:verdict",
            "case AnswerStatus.CLOSED:",
            "case AnswerStatus.CLOSED | AnswerStatus.THROTTLED:",
        ),
    ),
    mutant(
        AREA,
        "silence_is_failed",
        "a call without an answer (a time-out, a page of HTML, a bad signature) has failed",
        Edit(
            f"{DOMAIN}:verdict",
            "case AnswerStatus.CLOSED:",
            "case AnswerStatus.CLOSED | AnswerStatus.UNREADABLE:",
        ),
    ),
    mutant(
        AREA,
        "html_is_failed",
        "a server error's page of HTML is a failure of the order",
        Edit(
            "chalicelib.adapters.payment_platform:HttpPaymentPlatform._answer",
            "return Answer(status=AnswerStatus.UNREADABLE, note=error.reason)",
            'if error.reason == "server_error":\n'
            "            return Answer(status=AnswerStatus.FAILED,"
            ' failure_code="BANK_UNAVAILABLE")\n'
            "        return Answer(status=AnswerStatus.UNREADABLE, note=error.reason)",
        ),
    ),
    mutant(
        AREA,
        "unknown_code_is_failed",
        "a failure code that nobody has listed is a failure",
        Edit(
            f"{DOMAIN}:verdict",
            'return Unknown(reason="unknown_failure_code")',
            "return Result(status=Status.FAILED, failure_code=answer.failure_code,"
            " failure_class=FailureClass.RETRY_TODAY)",
        ),
    ),
    mutant(
        AREA,
        "bad_signature_believed",
        "an answer is believed whoever signed it",
        Edit(
            "chalicelib.adapters.signed_http:SignedHttp._believed",
            'raise NoAnswerError("bad_signature") from error',
            "return Reply(status=response.status, body=response.data)",
        ),
    ),
    mutant(
        AREA,
        "amount_that_differs_taken",
        "an order that took another amount has simply succeeded",
        Edit(f"{DOMAIN}:verdict", "if answer.amount != ordered:", "if False:"),
    ),
    mutant(
        AREA,
        "answer_about_another_order",
        "an answer is believed whichever order it speaks of",
        Edit(
            "chalicelib.adapters.payment_platform:_read",
            "if body.order_no != order_no:",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "ladder_removed",
        "nobody asks after an unknown order until the sweep does",
        Constant(f"{DEDUCTION}:LADDER", ()),
    ),
)

MUTANTS = (*WRITES, *READS, *ANSWERS)
