"""How often somebody may do something: counted in DynamoDB, in windows of time."""

from datetime import datetime

from chalicelib.adapters.dynamodb.tables import ThrottleRow

KEPT_SECONDS = 3600


class DynamoThrottles:
    def count(self, *, key: str, now: datetime, window_seconds: int) -> int:
        """Count one more time, and return how often it was within this window."""
        window = int(now.timestamp()) // window_seconds
        row = ThrottleRow(window_key=f"{key}#{window_seconds}#{window}")
        row.update(
            actions=[
                ThrottleRow.times.add(1),
                ThrottleRow.expires_at.set(int(now.timestamp()) + window_seconds + KEPT_SECONDS),
            ]
        )
        return int(row.times)

    def times(self, *, key: str, now: datetime, window_seconds: int) -> int:
        """Read how often it was within this window."""
        window = int(now.timestamp()) // window_seconds
        try:
            return int(ThrottleRow.get(f"{key}#{window_seconds}#{window}").times)
        except ThrottleRow.DoesNotExist:
            return 0
