"""What is answered when a request is not served: RFC 9457, for people and programs alike."""

from collections.abc import Callable, Mapping

from chalice.app import Request, Response

CHALICES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "the request cannot be answered as it asks to be"),
    405: ("method_not_allowed", "there is no such method here"),
    415: ("unsupported_media_type", "the body is of a type that is not taken here"),
    500: ("internal_error", "something went wrong here; try again later"),
}
"""What Chalice answers by itself, before a handler or instead of one."""


def problem(status: int, code: str, detail: str, **extra: object) -> Response:
    """Make a problem; `code` is for programs, `extra` are members of its own."""
    return Response(
        body={"type": "about:blank", "status": status, "code": code, "detail": detail, **extra},
        status_code=status,
        headers={
            "Content-Type": "application/problem+json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def in_our_words(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Say as a problem what Chalice says in its own way; middleware of the app."""
    answer = get_response(request)
    if isinstance(answer.body, dict) and answer.body.keys() == {"Code", "Message"}:
        made = problem(answer.status_code, *CHALICES[answer.status_code])
        made.headers.update(answer.headers)  # of a 405, what is allowed
        return made
    return answer
