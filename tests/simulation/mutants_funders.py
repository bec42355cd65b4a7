"""Guards of funders' days: their files, what they clear, splits, what they tell and are told."""

from tests.simulation.mutants import Edit, mutant

AREA = "funders"
DUE = "chalicelib.flows.funder_due"
ROUND = "chalicelib.flows.deduction_round"
REPAYMENTS = "chalicelib.flows.repayment_file"
RECONCILIATION = "chalicelib.flows.funder_reconciliation"
RESULTS = "chalicelib.flows.funder_results"
TOLD = "chalicelib.flows.told_orders"
DAY = "chalicelib.flows.assisted_day"
DOMAIN = "chalicelib.domain.funder_results"

DUES = (
    mutant(
        AREA,
        "held_due_sent",
        "a due that its funder's file disputes goes out",
        Edit(f"{ROUND}:_put_cleared", "if held is None:", "if True:"),
    ),
    mutant(
        AREA,
        "difference_let_go",
        "loans that differ are not held, though the file stands",
        Edit(f"{DUE}:_totals", "if verdict is Verdict.HOLD_LOANS else {}", "if False else {}"),
        Edit(
            f"{DUE}:_clearance",
            'return Clearance(held=json.loads(desk.objects.read(run.totals["held"]["key"])))',
            "return Clearance()",
        ),
    ),
    mutant(
        AREA,
        "tolerance_ignored",
        "of a file that differs over the tolerance the rest is believed",
        Edit(
            "chalicelib.domain.due_clearance:verdict_of",
            "if compared.differing_bps > tolerance_bps or compared.left_out:",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "missing_file_goes_on",
        "the dues of a funder without a file go out, whatever was agreed",
        Edit(
            f"{DUE}:_clearance",
            'case _ if run.totals.get("without_file") == WithoutFile.GO_ON:',
            "case _ if True:",
        ),
    ),
    mutant(
        AREA,
        "due_file_after_round",
        "a due file is taken in though the round has begun",
        Edit(
            f"{DUE}:take",
            "    if not stands and not desk.runs.claim(\n        business_date=batch.business_date, job=job, version=batch.version\n    ):\n        return _not_taken(batch=batch, funder_id=funder_id, desk=desk)\n",
            "",
        ),
        Edit(
            f"{DUE}:take",
            'if standing is None or standing.totals.get("sha256") != batch.sha256:',
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "round_does_not_freeze",
        "a round reads what a funder's files have come to, and lets them change it",
        Edit(
            f"{DUE}:_frozen",
            "desk.runs.claim(business_date=business_date, job=job, version=ROUND_BEGUN)",
            "pass",
        ),
        Edit(
            f"{DUE}:_frozen",
            "    desk.runs.put_totals(replace(run, claimed=ROUND_BEGUN).completed(at=now, totals=totals))\n",
            "",
        ),
    ),
    mutant(
        AREA,
        "assisted_due_sent",
        "a due that its funder deducts is sent to our own platform",
        Edit(f"{ROUND}:is_ours", "return not Mode(line.mode).funder_deducts", "return True"),
    ),
)

SPLITS = (
    mutant(
        AREA,
        "split_not_repaired",
        "a split that has failed is not looked after",
        Edit("chalicelib.flows.split_repair:undone", "now - noted[order_no] > patience", "False"),
        Edit(
            "chalicelib.flows.split_repair:again",
            "    is_done = platform.split_again(\n        order_no=record.order_no,\n        split_no=split_no_of(record.order_no),\n        split=funder.receivers(amount=record.amount, part=record.funder.total),\n    )\n",
            "    is_done = False\n",
        ),
    ),
    mutant(
        AREA,
        "repair_forgotten",
        "a split done again is taken for done whatever the platform says",
        Edit("chalicelib.flows.split_repair:again", "    if is_done:\n", "    if True:\n"),
    ),
    mutant(
        AREA,
        "interest_by_share",
        "the funder's own rate is left out of its interest",
        Edit(
            "chalicelib.domain.split:Shares.funders",
            "if rate is None or not self.annual_rate:",
            "if True:",
        ),
    ),
)

FILES = (
    mutant(
        AREA,
        "told_again",
        "a repayment file's next version tells all orders again",
        Edit(
            f"{REPAYMENTS}:_write",
            "left = sorted(set(paid) - held)",
            "left = sorted(paid) if set(paid) - held else []",
        ),
    ),
    mutant(
        AREA,
        "late_success_untold",
        "what is paid after the first repayment file comes into none",
        Edit(f"{REPAYMENTS}:_write", "if versions and not left:", "if versions:"),
    ),
    mutant(
        AREA,
        "closed_unconfirmed",
        "a day is closed though a funder has not confirmed",
        Edit(
            f"{RECONCILIATION}:open_points",
            "if paid.get(funder_id) and not _is_confirmed(confirmed, latest):",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "rejection_overheard",
        "an order that a funder rejects is agreed",
        Edit(
            "chalicelib.domain.confirmation:_judge",
            "elif line.status is not Agreement.AGREED:",
            "elif False:",
        ),
    ),
)

TELLING = (
    mutant(
        AREA,
        "results_posted_without_record_check",
        "what a version says again of a loan is posted again",
        Edit(
            f"{DOMAIN}:decide",
            "new = {no: paid for no, paid in told.paid.items() if no not in posted}",
            "new = dict(told.paid)",
        ),
    ),
    mutant(
        AREA,
        "results_allocation_trusted",
        "what a funder says it collected is posted, whatever our allocation makes of it",
        Edit(
            f"{DOMAIN}:decide",
            "if paid.rest or {line.instalment_no: line.components for line in paid.lines} != new:",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "older_results_over_newer",
        "an older version of a results file is applied over a newer one",
        Edit(
            f"{RESULTS}:run",
            "    if not desk.runs.claim(business_date=sheet.business_date, job=job, version=batch.version):\n        return None\n",
            "",
        ),
    ),
    mutant(
        AREA,
        "wish_told_not_posted",
        "a borrower's order that a results file tells of is not ended by it",
        Edit(f"{TOLD}:settle", "if wished.ends is None:", "if True:"),
        same_because="its order is asked after at the funder, by the ladder, the sweep and at last by the"
        " close, whether a file tells of it or not: the file only makes it sooner",
    ),
    mutant(
        AREA,
        "closed_without_results",
        "a day is closed though a funder's results are missing",
        Edit(f"{DAY}:keeps_open", "    if missing:\n", "    if False:\n"),
    ),
    mutant(
        AREA,
        "assisted_wish_to_our_platform",
        "what a borrower of an assisted loan wishes goes to our own platform",
        Edit(
            "chalicelib.wiring_assistance:deductions",
            "return replace(wiring.deductions(), forwards=forwarding.to_funders(funder_platform))",
            "return replace(wiring.deductions(), forwards=lambda *_: None)",
        ),
    ),
)

MUTANTS = (*DUES, *SPLITS, *FILES, *TELLING)
