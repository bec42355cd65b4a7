"""Guards of the bill: taking it in, holding it against the journal, closing the day."""

from tests.simulation.mutants import Edit, mutant

AREA = "bill and close"
LANDING = "chalicelib.flows.landing"
BILL = "chalicelib.flows.reconciliation"
MATCHING = "chalicelib.domain.reconciliation"
DEDUCTION = "chalicelib.flows.deduction"
CLOSE = "chalicelib.flows.day_close"
DISCREPANCY = "chalicelib.flows.discrepancy"
FILES = "chalicelib.adapters.dynamodb.files:DynamoFiles"

FILE = (
    mutant(
        AREA,
        "digest_not_compared",
        "a file is taken though its bytes are not those of the manifest",
        Edit(f"{LANDING}:_read", "if control and control.sha256 != sha256:", "if False:"),
    ),
    mutant(
        AREA,
        "rows_not_counted",
        "a file is taken though it has not the rows and the sum of the manifest",
        Edit(
            f"{LANDING}:_read",
            "    if control:\n        _compare",
            "    if False:\n        _compare",
        ),
    ),
    mutant(
        AREA,
        "file_taken_anew",
        "a file that was taken is taken once more when its message comes again",
        Edit(
            f"{FILES}.land",
            "condition=FileRow.object_key.does_not_exist()",
            "condition=None and FileRow.object_key.does_not_exist()",
        ),
        net="older_bill_over_newer",
    ),
    mutant(
        AREA,
        "older_bill_over_newer",
        "an older version of the bill is reconciled over a newer one, or over a closed day",
        Edit(
            f"{BILL}:_overtaken",
            "return standing if is_newer or is_closed else None",
            "return None",
        ),
    ),
)

RULES = (
    mutant(
        AREA,
        "bill_amount_not_compared",
        "a row of the bill agrees with an order of another amount",
        Edit(f"{MATCHING}:_both", "if row.amount != order.amount:", "if False:"),
    ),
    mutant(
        AREA,
        "bill_status_not_compared",
        "a row of the bill agrees with an order that it calls failed",
        Edit(f"{MATCHING}:_both", "if row.status != PAID:", "if False:"),
    ),
    mutant(
        AREA,
        "duplicate_row_passed_over",
        "a row that stands in the bill twice is matched twice",
        Edit(
            f"{MATCHING}:match",
            '(Match(kind=Kind.DUPLICATE, row=each.row, note="row_again") for each in others)',
            "others",
        ),
        net="bill_untied",
    ),
    mutant(
        AREA,
        "foreign_row_passed_over",
        "a row of an order we never sent is no discrepancy",
        Edit(
            f"{MATCHING}:judge",
            'kind, note = (Kind.CROSS_DAY if is_foreign else Kind.MISSING_HERE), ""',
            'kind, note = (Kind.CROSS_DAY if is_foreign else Kind.MATCHED), ""',
        ),
    ),
    mutant(
        AREA,
        "missing_row_passed_over",
        "an order of ours that the bill does not show is no discrepancy",
        Edit(
            f"{MATCHING}:_order_alone", 'return Kind.MISSING_THERE, ""', 'return Kind.MATCHED, ""'
        ),
    ),
    mutant(
        AREA,
        "unknown_orders_not_billed",
        "orders without an end are not held against the bill",
        Edit(
            "chalicelib.flows.our_orders:of_day",
            "*_unknown(business_date=business_date, rounds=rounds, active_orders=active_orders),",
            "",
        ),
        Edit(f"{BILL}:_strays", "for no in order_nos if", "for no in () if"),
    ),
    mutant(
        AREA,
        "shown_paid_not_posted",
        "an unknown order that the bill shows paid is not posted",
        Edit(f"{BILL}:_settle", "if found.row and found.shows_unknown_paid:", "if False:"),
        net="sweep_asks_nobody",
    ),
    mutant(
        AREA,
        "absent_not_closed",
        "an unknown order that the bill does not show is left as it is",
        Edit(f"{BILL}:_settle", "if found.shows_unknown_unpaid:", "if False:"),
    ),
    mutant(
        AREA,
        "closed_without_asking",
        "an unknown order that the bill does not show has failed, nobody is asked",
        Edit(
            f"{DEDUCTION}:close_unknown",
            "answer = platform.ask(order_no)",
            "answer = Answer(status=AnswerStatus.CLOSED)",
        ),
    ),
    mutant(
        AREA,
        "failed_without_closing",
        "an unknown order that never arrived has failed, and is not closed at the platform",
        Edit(
            f"{DEDUCTION}:close_unknown",
            "answer = platform.close(order_no)",
            "pass",
        ),
    ),
    mutant(
        AREA,
        "another_days_row_not_explained",
        "an order that stands in the next day's bill stays a discrepancy for ever",
        Edit(f"{BILL}:_tried_elsewhere", "return replace(found, explained=True)", "return found"),
    ),
    mutant(
        AREA,
        "another_days_bill_forgotten",
        "an order that another day's bill has shown is missed again",
        Edit(
            f"{BILL}:_billed_elsewhere",
            "each.order_no for each in standing",
            "each.order_no for each in ()",
        ),
    ),
    mutant(
        AREA,
        "bill_untied",
        "the buckets need not add up to the bill and the journal",
        Edit(f"{BILL}:_check_ties", "if there != Tally(", "if False and there != Tally("),
        Edit(f"{BILL}:_check_ties", "if here != account", "if False and here != account"),
        same_because="`match` yields every row of a bill once and every order once, matched,"
        " undecided, as a duplicate or alone, and the file's rows were counted when it landed: only"
        " a fault of `match` makes it differ (see duplicate_row_passed_over, whose net it is)",
    ),
)

CLOSING = (
    mutant(
        AREA,
        "closed_with_discrepancies",
        "a day is closed though discrepancies of it are open",
        Edit(
            f"{CLOSE}:_open_channels",
            '        if left:\n            yield f"{job} has',
            '        if False:\n            yield f"{job} has',
        ),
    ),
    mutant(
        AREA,
        "closed_without_bill",
        "a day is closed though its bill was not reconciled",
        Edit(
            f"{CLOSE}:_open_channels",
            '            yield f"{job} is not complete"\n',
        ),
    ),
    mutant(
        AREA,
        "closed_with_open_orders",
        "a day is closed though orders of its rounds have no end",
        Edit(f"{CLOSE}:_open_rounds", "if standing.unfinished:", "if False:"),
    ),
    mutant(
        AREA,
        "closed_with_open_rounds",
        "a day is closed though a round of it is not over",
        Edit(
            f"{CLOSE}:_open_rounds",
            "if not _is_complete(desk.rounds.runs.get(business_date, job)):",
            "if False:",
        ),
        Edit(f"{CLOSE}:_open_rounds", '            yield f"{job} has not started"\n'),
    ),
    mutant(
        AREA,
        "closed_with_open_repayments",
        "a day is closed though orders its borrowers started have no end",
        Edit(f"{CLOSE}:_open_repayments", "    if left:", "    if False:"),
    ),
    mutant(
        AREA,
        "not_reconciled_again",
        "what was open when the bill came is not looked at again",
        Edit(
            f"{CLOSE}:_open_channels",
            'if left or left != reconciled.totals["open"]:',
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "hold_not_laid",
        "a loan whose money the bill shows and the journal has not is not held",
        Edit(
            f"{DISCREPANCY}:_hold",
            "keeper.hold(loan_id=loan_id, reason=_reason(each))",
            "pass",
        ),
    ),
    mutant(
        AREA,
        "hold_not_lifted",
        "a loan stays held when its discrepancy is resolved",
        Edit(
            "chalicelib.flows.posting:lift",
            'if _written(replace(loan, hold=""), books):',
            "if True:",
        ),
    ),
    mutant(
        AREA,
        "gone_not_resolved",
        "a discrepancy that a corrected bill explains stays open",
        Edit(
            f"{DISCREPANCY}:write",
            "if each.state is DiscrepancyState.OPEN:",
            "if False:",
        ),
    ),
)

MUTANTS = (*FILE, *RULES, *CLOSING)
