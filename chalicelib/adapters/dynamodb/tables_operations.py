"""The tables of how the days went: runs, files, discrepancies, switches, and what people did."""

from pynamodb.attributes import BooleanAttribute, JSONAttribute, MapAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.attributes import (
    DateAttribute,
    MomentAttribute,
    MoneyAttribute,
    WholeNumberAttribute,
)


class RunRow(Model):
    """`parts` maps a shard's number to what it did; pk `last`, sk job, says how far a job has come."""

    class Meta:
        table_name = "runs"
        billing_mode = "PAY_PER_REQUEST"

    business_date = UnicodeAttribute(hash_key=True)
    job = UnicodeAttribute(range_key=True)
    state = UnicodeAttribute(null=True)
    started_at = MomentAttribute(null=True)
    completed_at = MomentAttribute(null=True)
    parts: MapAttribute[str, object] = MapAttribute(default=dict)
    totals = JSONAttribute(null=True)
    claimed = WholeNumberAttribute(null=True)
    last_date = DateAttribute(null=True)
    reopened = WholeNumberAttribute(null=True)
    asked = JSONAttribute(null=True)
    asked_by = UnicodeAttribute(null=True)


class FileRow(Model):
    class Meta:
        table_name = "files"
        billing_mode = "PAY_PER_REQUEST"

    object_key = UnicodeAttribute(hash_key=True)
    sha256 = UnicodeAttribute(range_key=True)
    manifest_sha256 = UnicodeAttribute(null=True)
    kind = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    rows = WholeNumberAttribute(null=True)
    amount = MoneyAttribute(null=True)
    applied = WholeNumberAttribute(null=True)
    refused = WholeNumberAttribute(null=True)
    landed_at = MomentAttribute()
    finished_at = MomentAttribute(null=True)
    reason = UnicodeAttribute(null=True)


class UnresolvedIndex(GlobalSecondaryIndex["DiscrepancyRow"]):
    class Meta:
        index_name = "unresolved"
        projection = AllProjection()

    unresolved = UnicodeAttribute(hash_key=True)
    day_channel = UnicodeAttribute(range_key=True)


class DiscrepancyRow(Model):
    """What rules find, and (`handling`) what people add; `unresolved` is set until it is resolved."""

    class Meta:
        table_name = "discrepancies"
        billing_mode = "PAY_PER_REQUEST"

    day_channel = UnicodeAttribute(hash_key=True)
    discrepancy_id = UnicodeAttribute(range_key=True)
    kind = UnicodeAttribute()
    order_no = UnicodeAttribute()
    state = UnicodeAttribute()
    here = MoneyAttribute(null=True)
    there = MoneyAttribute(null=True)
    facts = JSONAttribute(null=True)
    suggestion = UnicodeAttribute(null=True)
    opened_at = MomentAttribute()
    resolved_at = MomentAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    decided_by = UnicodeAttribute(null=True)
    handling = JSONAttribute(null=True)
    unresolved = UnicodeAttribute(null=True)
    version = WholeNumberAttribute(null=True)

    open_ones = UnresolvedIndex()


class ControlRow(Model):
    """A switch: `pause` and `blocked#<borrower id>` (on), `test_clock` (now)."""

    class Meta:
        table_name = "controls"
        billing_mode = "PAY_PER_REQUEST"

    name = UnicodeAttribute(hash_key=True)
    on = BooleanAttribute(null=True)
    now = UnicodeAttribute(null=True)
    by = UnicodeAttribute(null=True)
    at = UnicodeAttribute(null=True)


class AuditRow(Model):
    """One thing that somebody did, or was refused; `digest` is over it and the entry before it."""

    class Meta:
        table_name = "audit"
        billing_mode = "PAY_PER_REQUEST"

    subject = UnicodeAttribute(hash_key=True)
    sequence = WholeNumberAttribute(range_key=True)
    at = MomentAttribute()
    by = UnicodeAttribute()
    verb = UnicodeAttribute()
    outcome = UnicodeAttribute()
    facts = JSONAttribute()
    previous = UnicodeAttribute()
    digest = UnicodeAttribute()
