"""How DynamoDB refuses, in AWS's words; `call` makes of it what boto3 raises."""

from typing import Any

VALIDATION = "ValidationException"
CONDITION_FAILED = "ConditionalCheckFailedException"
CONDITION_MESSAGE = "The conditional request failed"
ILLEGAL = "One or more parameter values were invalid: "


class RefusedError(Exception):
    """AWS refuses; `more` stands beside `Error` in the answer."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.more = more


class InvalidError(RefusedError):
    """The request is not a valid one."""

    def __init__(self, message: str) -> None:
        super().__init__(VALIDATION, message)


class ConditionFailedError(RefusedError):
    """The item is not as the condition says; it may be shown."""

    def __init__(self, **more: Any) -> None:
        super().__init__(CONDITION_FAILED, CONDITION_MESSAGE, **more)
