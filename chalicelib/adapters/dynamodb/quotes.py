"""Quotes, in DynamoDB: what was quoted to whom, until it is of no use to anybody."""

from datetime import timedelta

from chalicelib.adapters.dynamodb.tables import QuoteRow
from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Recut
from chalicelib.flows.early_repayment import QuotedTerms

KEPT = timedelta(days=30)


class DynamoQuotes:
    def put(self, quoted: QuotedTerms) -> None:
        principal, interest, penalty, fee = quoted.parts_fen
        QuoteRow(
            quote_id=quoted.quote_id,
            loan_id=quoted.loan_id,
            borrower_id=quoted.borrower_id,
            wish=_text_of(quoted.wish),
            amount_fen=quoted.amount_fen,
            principal_fen=principal,
            interest_fen=interest,
            penalty_fen=penalty,
            fee_fen=fee,
            schedule_version=quoted.schedule_version,
            as_of=quoted.as_of,
            valid_until=quoted.expires_at,
            expires_at=int((quoted.expires_at + KEPT).timestamp()),
        ).save()

    def get(self, quote_id: str) -> QuotedTerms | None:
        try:
            row = QuoteRow.get(quote_id, consistent_read=True)
        except QuoteRow.DoesNotExist:
            return None
        return QuotedTerms(
            quote_id=row.quote_id,
            loan_id=row.loan_id,
            borrower_id=row.borrower_id,
            wish=_wish_of(row.wish),
            amount_fen=row.amount_fen,
            parts_fen=(row.principal_fen, row.interest_fen, row.penalty_fen, row.fee_fen),
            schedule_version=row.schedule_version,
            as_of=row.as_of,
            expires_at=row.valid_until,
        )


def _text_of(wish: Wish) -> str:
    """Write a wish as text.

    >>> _text_of(Wish(kind=Kind.PARTIAL, amount=Money(500), recut=Recut.SHORTEN_TERM))
    'partial,500,shorten_term'
    """
    amount = str(wish.amount.fen) if wish.amount else ""
    return ",".join((wish.kind.value, amount, wish.recut.value if wish.recut else ""))


def _wish_of(text: str) -> Wish:
    """Read a wish back.

    >>> _wish_of("full,,")
    Wish(kind=<Kind.FULL: 'full'>, amount=None, recut=None)
    """
    kind, amount, recut = text.split(",")
    return Wish(
        kind=Kind(kind),
        amount=Money(int(amount)) if amount else None,
        recut=Recut(recut) if recut else None,
    )
