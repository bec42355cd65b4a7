"""PynamoDB attributes for our value types.  PynamoDB's own numbers go through floats: ours do not."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.constants import NUMBER, STRING

from chalicelib.domain.money import Money

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}\Z", re.ASCII)


class IllegalNumberError(ValueError):
    """A stored number is not a whole number."""


class WholeNumberAttribute(Attribute[int]):
    """An exact int; bool and float are refused in both directions."""

    attr_type = NUMBER

    def serialize(self, value: Any) -> str:
        if type(value) is not int:
            raise IllegalNumberError(f"not an int: {value!r}")
        return str(value)

    def deserialize(self, value: Any) -> int:
        if not _WHOLE_NUMBER.match(value):
            raise IllegalNumberError(f"not a whole number: {value!r}")
        return int(value)


class MoneyAttribute(Attribute[Money]):
    """Whole fen, stored as a number."""

    attr_type = NUMBER

    def serialize(self, value: Any) -> str:
        if not isinstance(value, Money):
            raise IllegalNumberError(f"not money: {value!r}")
        return str(value.fen)

    def deserialize(self, value: Any) -> Money:
        if not _WHOLE_NUMBER.match(value):
            raise IllegalNumberError(f"not a whole number of fen: {value!r}")
        return Money(int(value))


class RateAttribute(Attribute[Decimal]):
    """A rate, stored as its digits."""

    attr_type = STRING

    def serialize(self, value: Any) -> str:
        return str(value)

    def deserialize(self, value: Any) -> Decimal:
        return Decimal(value)


class DateAttribute(Attribute[date]):
    """A business date, stored as YYYY-MM-DD."""

    attr_type = STRING

    def serialize(self, value: Any) -> str:
        return str(value.isoformat())

    def deserialize(self, value: Any) -> date:
        return date.fromisoformat(value)


class MomentAttribute(Attribute[datetime]):
    """An instant, stored as RFC 3339 with its offset."""

    attr_type = STRING

    def serialize(self, value: Any) -> str:
        if value.tzinfo is None:
            raise ValueError("an instant needs its offset")
        return str(value.isoformat())

    def deserialize(self, value: Any) -> datetime:
        return datetime.fromisoformat(value)
