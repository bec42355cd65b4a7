"""What happens around every handler: logging, counting, and the one reading of the clock.

Chalice runs the handlers of a Blueprint without importing app.py, so nothing of this can be
middleware: it is a decorator on each handler.
"""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from chalice.app import AuthResponse, CloudWatchEvent, Response

from chalicelib import wiring
from chalicelib.adapters.telemetry import log, metrics
from chalicelib.adapters.wall_clock import SHANGHAI, wall_clock
from chalicelib.settings import settings

Given = ParamSpec("Given")
Result = TypeVar("Result")


class UnauthorizedError(Exception):
    """How an authorizer says no: by this very text API Gateway knows it, and answers 401."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class HandlerFailedError(Exception):
    """A handler failed: of what kind the failure was, and where.

    Lambda's runtime prints the text of whatever leaves a handler, and the failure's own may carry
    what no log may hold.
    """


def boundary(handler: Callable[Given, Result]) -> Callable[Given, Result]:
    """Log the end or the failure of a handler, send its metrics, and let no more out than that.

    :raises HandlerFailedError: if the handler fails.
    """

    @functools.wraps(handler)  # Chalice names the Lambda after handler.__name__
    def bounded(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        log.clear_state()
        log.append_keys(handler=handler.__name__)
        try:
            result = handler(*args, **kwargs)
        except UnauthorizedError:  # an answer, not a failure
            log.info("refused")
            raise
        except Exception as error:  # noqa: BLE001  it is raised again, without its text
            kind, place = type(error).__name__, where(error)
            log.error("failed", error=kind, where=place)
            raise HandlerFailedError(f"{kind} at {place}") from None
        else:
            log.info("finished", result=_plain(result))
            return result
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    return bounded


def now() -> datetime:
    """Read the time: the wall clock, or business time where a test clock is allowed and set."""
    if settings().test_clock:
        return wiring.controls().test_clock() or wall_clock()
    return wall_clock()


def scheduled_at(event: CloudWatchEvent) -> datetime:
    """Read when a scheduled event was meant: every retry of it says the same."""
    return datetime.fromisoformat(event.time).astimezone(SHANGHAI)


def _plain(result: object) -> object:
    if isinstance(result, AuthResponse):
        return result.principal_id
    return result.status_code if isinstance(result, Response) else result


def where(error: Exception) -> str:
    """Name the file and line a failure came from."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code: Any = trace.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
