"""The chart of accounts and the rules vouchers are made by: data beside the code, checked when read."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from chalicelib.domain.voucher import Chart

CATALOGUE = Path(__file__).parents[1] / "accounts.json"


class UnknownAccountError(ValueError):
    """A code is to be replaced that no account has."""


def read(catalogue: Path = CATALOGUE, *, codes: Mapping[str, str] | None = None) -> Chart:
    """Read the chart; `codes` are what a lender's own ledger calls accounts, by their code here.

    :raises pydantic.ValidationError: if it is not well-formed, has a word more, contradicts itself,
        or has no rule for something that happens.
    :raises UnknownAccountError: if a code to be replaced is not in the chart.
    """
    chart = json.loads(catalogue.read_bytes())
    replaced = dict(codes or {})
    if strange := replaced.keys() - {account["code"] for account in chart["accounts"]}:
        raise UnknownAccountError(f"no account {', '.join(sorted(strange))}")
    for account in chart["accounts"]:
        account["code"] = replaced.get(account["code"], account["code"])
    for rule in chart["rules"]:
        for side in ("debit", "credit"):
            rule[side] = replaced.get(rule[side], rule[side])
    return TypeAdapter(Chart).validate_json(json.dumps(chart), strict=True, extra="forbid")
