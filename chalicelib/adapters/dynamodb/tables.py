"""The tables: shapes and keys, nothing else.  Only this package may import it.

Those that tell how the days went are in tables_operations.py.

Names of attributes count in DynamoDB units, so a loan head's are short; the head stays
under 1 KB with a full slot (a test measures it).
"""

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    MapAttribute,
    UnicodeAttribute,
)
from pynamodb.indexes import (
    AllProjection,
    GlobalSecondaryIndex,
    IncludeProjection,
    KeysOnlyProjection,
)
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.attributes import (
    DateAttribute,
    MomentAttribute,
    MoneyAttribute,
    RateAttribute,
    WholeNumberAttribute,
)
from chalicelib.adapters.dynamodb.tables_operations import (
    AuditRow,
    ControlRow,
    DiscrepancyRow,
    FileRow,
    RunRow,
)


class SlotMap(MapAttribute[str, object]):
    order_no = UnicodeAttribute(attr_name="no")
    amount = MoneyAttribute(attr_name="a")
    principal = MoneyAttribute(attr_name="p")
    interest = MoneyAttribute(attr_name="i")
    penalty = MoneyAttribute(attr_name="f")
    listed = MoneyAttribute(attr_name="l")
    as_of = DateAttribute(attr_name="d")
    sent_at = MomentAttribute(attr_name="t")
    kind = UnicodeAttribute(attr_name="k", null=True)
    recut = UnicodeAttribute(attr_name="c", null=True)
    fee = MoneyAttribute(attr_name="e", null=True)
    request = UnicodeAttribute(attr_name="q", null=True)
    funder_fen = UnicodeAttribute(attr_name="s", null=True)


class AgendaIndex(GlobalSecondaryIndex["LoanRow"]):
    class Meta:
        index_name = "agenda"
        projection = IncludeProjection(["borrower_id", "mode", "product"])

    agenda_key = UnicodeAttribute(hash_key=True)
    loan_id = UnicodeAttribute(range_key=True)
    borrower_id = UnicodeAttribute()
    mode = UnicodeAttribute()
    product = UnicodeAttribute()


class BorrowerIndex(GlobalSecondaryIndex["LoanRow"]):
    class Meta:
        index_name = "by_borrower"
        projection = KeysOnlyProjection()

    borrower_id = UnicodeAttribute(hash_key=True)
    loan_id = UnicodeAttribute(range_key=True)


class LoanRow(Model):
    class Meta:
        table_name = "loans"
        billing_mode = "PAY_PER_REQUEST"

    loan_id = UnicodeAttribute(hash_key=True)
    borrower_id = UnicodeAttribute()
    product = UnicodeAttribute()
    mode = UnicodeAttribute()
    principal = MoneyAttribute()
    annual_rate = RateAttribute(attr_name="rate")
    agreement_no = UnicodeAttribute(attr_name="agr")
    schedule_version = WholeNumberAttribute(attr_name="sv")
    instalment_no = WholeNumberAttribute(attr_name="n")
    principal_paid = MoneyAttribute(attr_name="pp")
    interest_paid = MoneyAttribute(attr_name="ip")
    penalty_carried = MoneyAttribute(attr_name="pc")
    penalty_from = DateAttribute(attr_name="pf", null=True)
    unpaid_due_on = DateAttribute(attr_name="due", null=True)
    status = UnicodeAttribute(attr_name="st")
    slot = SlotMap(null=True)
    hold = UnicodeAttribute(null=True)
    last_failure = UnicodeAttribute(attr_name="lf", null=True)
    funder_id = UnicodeAttribute(attr_name="fid", null=True)
    funder_share_bps = WholeNumberAttribute(attr_name="fs", null=True)
    funder_terms = WholeNumberAttribute(attr_name="ft", null=True)
    revolving = BooleanAttribute(attr_name="rv", null=True)
    version = WholeNumberAttribute(attr_name="v")
    agenda_key = UnicodeAttribute(null=True)

    agenda = AgendaIndex()
    by_borrower = BorrowerIndex()


class ScheduleRow(Model):
    """`instalments` is packed: "number,due_on,principal_fen,interest_fen;…"; so are the terms."""

    class Meta:
        table_name = "schedules"
        billing_mode = "PAY_PER_REQUEST"

    loan_id = UnicodeAttribute(hash_key=True)
    version = WholeNumberAttribute(range_key=True)
    terms = UnicodeAttribute()
    instalments = UnicodeAttribute()
    source = UnicodeAttribute()


class BorrowerRow(Model):
    class Meta:
        table_name = "borrowers"
        billing_mode = "PAY_PER_REQUEST"

    borrower_id = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute()
    phone = UnicodeAttribute()


class HistoryIndex(GlobalSecondaryIndex["JournalRow"]):
    class Meta:
        index_name = "by_loan"
        projection = AllProjection()

    history_loan_id = UnicodeAttribute(hash_key=True)
    order_no = UnicodeAttribute(range_key=True)


class JournalRow(Model):
    """A terminal record, or (sort key with `#skip`) why a due was not sent; or a correction.

    `history_loan_id` is set where money moved: the index costs nothing for a failure.  Partitions
    `corrected#…` name, by order, the discrepancy its money is corrected for.
    """

    class Meta:
        table_name = "journal"
        billing_mode = "PAY_PER_REQUEST"
        stream_view_type = "NEW_IMAGE"

    day_shard = UnicodeAttribute(hash_key=True)
    order_no = UnicodeAttribute(range_key=True)
    loan_id = UnicodeAttribute()
    borrower_id = UnicodeAttribute(null=True)
    mode = UnicodeAttribute()
    status = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    note = UnicodeAttribute(null=True)
    agreement_no = UnicodeAttribute(null=True)
    amount = MoneyAttribute(null=True)
    principal = MoneyAttribute(null=True)
    interest = MoneyAttribute(null=True)
    penalty = MoneyAttribute(null=True)
    listed = MoneyAttribute()
    dpd = WholeNumberAttribute(null=True)
    lines = UnicodeAttribute(null=True)
    trade_no = UnicodeAttribute(null=True)
    paid_at = MomentAttribute(null=True)
    failure_code = UnicodeAttribute(null=True)
    failure_class = UnicodeAttribute(null=True)
    settles = BooleanAttribute(null=True)
    split_pending = BooleanAttribute(null=True)
    settled_by = UnicodeAttribute(null=True)
    kind = UnicodeAttribute(null=True)
    fee = MoneyAttribute(null=True)
    request = UnicodeAttribute(null=True)
    product = UnicodeAttribute(attr_name="pr", null=True)
    correction = JSONAttribute(null=True)
    recorded_at = MomentAttribute()
    history_loan_id = UnicodeAttribute(null=True)

    by_loan = HistoryIndex()


class QuoteRow(Model):
    """`wish` is "kind,amount_fen,recut"; `expires_at` is the second from which DynamoDB may delete it."""

    class Meta:
        table_name = "quotes"
        billing_mode = "PAY_PER_REQUEST"

    quote_id = UnicodeAttribute(hash_key=True)
    loan_id = UnicodeAttribute()
    borrower_id = UnicodeAttribute()
    wish = UnicodeAttribute()
    amount_fen = WholeNumberAttribute()
    principal_fen = WholeNumberAttribute()
    interest_fen = WholeNumberAttribute()
    penalty_fen = WholeNumberAttribute()
    fee_fen = WholeNumberAttribute()
    schedule_version = WholeNumberAttribute()
    as_of = DateAttribute()
    valid_until = MomentAttribute()
    expires_at = WholeNumberAttribute()


class ActiveOrderRow(Model):
    """An order a borrower has started, until somebody has seen its end; or, pk `splits`, a split's."""

    class Meta:
        table_name = "active_orders"
        billing_mode = "PAY_PER_REQUEST"

    business_date = UnicodeAttribute(hash_key=True)
    order_no = UnicodeAttribute(range_key=True)
    noted_at = MomentAttribute()


class RequestRow(Model):
    """One request of the API by its idempotency key; `answer` once it has one."""

    class Meta:
        table_name = "requests"
        billing_mode = "PAY_PER_REQUEST"

    request_key = UnicodeAttribute(hash_key=True)
    fingerprint = UnicodeAttribute()
    begun_at = MomentAttribute()
    answer = JSONAttribute(null=True)
    expires_at = WholeNumberAttribute()


class ThrottleRow(Model):
    """How often something was done within one window of time."""

    class Meta:
        table_name = "throttles"
        billing_mode = "PAY_PER_REQUEST"

    window_key = UnicodeAttribute(hash_key=True)
    times = WholeNumberAttribute()
    expires_at = WholeNumberAttribute()


class WaitingIndex(GlobalSecondaryIndex["NoticeRow"]):
    class Meta:
        index_name = "waiting"
        projection = KeysOnlyProjection()

    waiting_on = UnicodeAttribute(hash_key=True)
    send_at = UnicodeAttribute(range_key=True)


class NoticeRow(Model):
    """One text: `items` maps "loan_id/order_no" to what it says of that loan.

    `waiting_on` and `send_at` are set while something is left to do: the index holds no more.
    """

    class Meta:
        table_name = "notices"
        billing_mode = "PAY_PER_REQUEST"

    recipient_key = UnicodeAttribute(hash_key=True)
    sequence = WholeNumberAttribute(range_key=True)
    notice_id = UnicodeAttribute()
    borrower_id = UnicodeAttribute()
    scenario = UnicodeAttribute()
    business_date = DateAttribute()
    state = UnicodeAttribute()
    items: MapAttribute[str, object] = MapAttribute()
    opened_at = MomentAttribute()
    send_at = UnicodeAttribute(null=True)
    waiting_on = UnicodeAttribute(null=True)
    template = UnicodeAttribute(null=True)
    params = JSONAttribute(null=True)
    text = UnicodeAttribute(null=True)
    receipt_id = UnicodeAttribute(null=True)
    sent_at = MomentAttribute(null=True)
    reported_at = MomentAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    version = WholeNumberAttribute()

    waiting = WaitingIndex()


class NotificationRow(Model):
    """What the payment platform said of an order, by the SHA-256 of its bytes; no personal data.

    `expires_at` is the second from which DynamoDB may delete it.
    """

    class Meta:
        table_name = "notifications"
        billing_mode = "PAY_PER_REQUEST"

    notification_id = UnicodeAttribute(hash_key=True)
    order_no = UnicodeAttribute()
    order_date = DateAttribute(null=True)
    status = UnicodeAttribute(null=True)
    amount = MoneyAttribute(null=True)
    currency = UnicodeAttribute(null=True)
    failure_code = UnicodeAttribute(null=True)
    paid_at = MomentAttribute(null=True)
    received_at = MomentAttribute()
    state = UnicodeAttribute()
    finding = UnicodeAttribute(null=True)
    taken_at = MomentAttribute(null=True)
    expires_at = WholeNumberAttribute()


TABLES: tuple[type[Model], ...] = (
    LoanRow,
    ScheduleRow,
    BorrowerRow,
    JournalRow,
    QuoteRow,
    ActiveOrderRow,
    RequestRow,
    ThrottleRow,
    RunRow,
    FileRow,
    NoticeRow,
    NotificationRow,
    DiscrepancyRow,
    ControlRow,
    AuditRow,
)


def bind(stage: str, *, region: str) -> None:
    """Name every table for this stage; the same stage again changes nothing."""
    for table in TABLES:
        base = str(table.Meta.table_name).rpartition("-")[2]
        table.Meta.table_name = f"afterloan-{stage}-{base}"
        table.Meta.region = region
        table._connection = None  # noqa: SLF001  PynamoDB keeps one per model, by its first name
