"""Good rows of a funder's files, to be spoilt."""

from random import Random  # noqa: TID251  seeded: the same number makes the same rows

PAID_AT = "2026-11-24T12:00:00+08:00"


def rows_of(rng: Random, kind: str) -> list[dict[str, str]]:
    """Draw a few rows of a kind, no two of them alike."""
    make = {"due": _a_due, "results": _a_result, "confirmation": _a_confirmation}[kind]
    return [
        {name: str(value) for name, value in make(rng, number).items()}
        for number in range(rng.randint(1, 5))
    ]


def _a_due(rng: Random, number: int) -> dict[str, object]:
    parts = {
        f"{party}_{name}_fen": rng.choice([0, 1, 10**14, rng.randint(0, 10**6)])
        for party in ("funder", "platform")
        for name in ("principal", "interest", "penalty")
    }
    whole = {
        f"{name}_fen": parts[f"funder_{name}_fen"] + parts[f"platform_{name}_fen"]
        for name in ("principal", "interest", "penalty")
    }
    return {
        "loan_id": f"LN{number // 2}",
        "instalment_no": 1 + number % 2,
        "due_on": f"2026-11-{rng.randint(1, 30):02}",
        **whole,
        **parts,
    }


def _a_result(rng: Random, number: int) -> dict[str, object]:
    paid = rng.random() < 0.6
    return {
        "loan_id": f"LN{number}",
        "instalment_no": rng.randint(1, 36),
        "round": rng.randint(0, 2),
        "status": "SUCCEEDED" if paid else "FAILED",
        "principal_fen": rng.randint(1, 10**8) if paid else 0,
        "interest_fen": rng.randint(0, 10**6) if paid else 0,
        "penalty_fen": rng.choice([0, 1]) if paid else 0,
        "paid_at": PAID_AT if paid else rng.choice(["", PAID_AT]),
        "failure_code": "" if paid else rng.choice(["INSUFFICIENT_FUNDS", "CARD_CLOSED"]),
        "funder_trade_no": f"FT{number}" if paid else "",
    }


def _a_confirmation(rng: Random, number: int) -> dict[str, object]:
    agrees = rng.random() < 0.6
    return {
        "order_no": f"20261124-1-LN{number}",
        "status": "agreed" if agrees else "differs",
        "funder_amount_fen": rng.choice([0, 71400, rng.randint(0, 10**8)]),
        "reason": "" if agrees else rng.choice(["利息不同", "=HYPERLINK(1)", 'said "no"', "a, b"]),
    }
