"""The arithmetic: a day, a fen, an order of payment that is off by one."""

from tests.simulation.mutants import Edit, mutant

AREA = "money"
PENALTY = "chalicelib.domain.penalty"
ALLOCATION = "chalicelib.domain.allocation"
AHEAD = "chalicelib.domain.prepayment"

MUTANTS = (
    mutant(
        AREA,
        "penalty_one_day_more",
        "penalty runs one day too long",
        Edit(f"{PENALTY}:accrued", "rate * max(days, 0)", "rate * max(days + (days > 0), 0)"),
    ),
    mutant(
        AREA,
        "penalty_rounded_down",
        "a penalty's half fen is dropped",
        Edit(f"{PENALTY}:accrued", "rounding=product.rounding.mode", 'rounding="ROUND_DOWN"'),
    ),
    mutant(
        AREA,
        "penalty_not_capped",
        "the penalty rate is not held under the cap",
        Edit(
            f"{PENALTY}:annual_penalty_rate",
            "min(annual_rate * (1 + product.penalty_uplift), product.annual_cost_cap)",
            "annual_rate * (1 + product.penalty_uplift)",
        ),
    ),
    mutant(
        AREA,
        "waterfall_turned_around",
        "a payment goes to principal first",
        Edit(
            f"{ALLOCATION}:order_at",
            "return product.accruing_order",
            "return product.non_accruing_order",
        ),
        same_because="rounds and borrowers pay whole dues: no due is paid in part, so no part of"
        " it comes before another (the order is proven in tests/unit)",
    ),
    mutant(
        AREA,
        "instalment_passed_over",
        "after a payment the loan stands one instalment too far",
        Edit(
            f"{ALLOCATION}:_number_after",
            "later = (row.number for row in schedule if row.number > number and row.total)",
            "later = (row.number for row in schedule if row.number > number + 1 and row.total)",
        ),
    ),
    mutant(
        AREA,
        "settled_loan_stays_due",
        "a settled loan keeps its due date",
        Edit(
            "chalicelib.domain.loan:_moved",
            "unpaid_due_on=unpaid_due_on,",
            "unpaid_due_on=unpaid_due_on or loan.unpaid_due_on,",
        ),
    ),
    mutant(
        AREA,
        "settled_loan_stays_open",
        "a loan that is paid whole stays open",
        Edit(
            "chalicelib.domain.loan:_moved",
            "status=LoanStatus.OPEN if unpaid_due_on else LoanStatus.SETTLED,",
            "status=LoanStatus.OPEN,",
        ),
    ),
    mutant(
        AREA,
        "due_date_not_moved",
        "after a payment the loan stands on the agenda where it stood",
        Edit(
            "chalicelib.domain.loan:_moved",
            "unpaid_due_on=unpaid_due_on,",
            "unpaid_due_on=loan.unpaid_due_on if unpaid_due_on else None,",
        ),
    ),
    mutant(
        AREA,
        "recorded_dpd_one_more",
        "a record says one day past due too many",
        Edit(
            "chalicelib.flows.posting:_record_of",
            "slot.as_of), 0)",
            "slot.as_of) + 1, 0)",
        ),
    ),
    mutant(
        AREA,
        "interest_ahead_rounded_down",
        "interest to the day loses its half fen",
        Edit(
            f"{AHEAD}:_Ahead.of",
            "interest = principal.times(rate, rounding=standing.product.rounding.mode)",
            'interest = principal.times(rate, rounding="ROUND_DOWN")',
        ),
    ),
    mutant(
        AREA,
        "ended_period_not_due",
        "who pays early is not asked for overdue instalments first",
        Edit(
            f"{AHEAD}:_limits",
            "amount_min = ahead.due.amount + max(least, ahead.interest + Money(1))",
            "amount_min = max(least, ahead.interest + Money(1))",
        ),
    ),
    mutant(
        AREA,
        "principal_lost_in_a_new_cut",
        "a new schedule asks for one fen less than is left",
        Edit(
            f"{AHEAD}:_partial",
            "_cut_again(recut, ahead.principal - principal, standing, ahead)",
            "_cut_again(recut, ahead.principal - principal - Money(1), standing, ahead)",
        ),
    ),
)
