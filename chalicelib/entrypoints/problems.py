"""What is answered when a request is not served: RFC 9457, for people and programs alike."""

from chalice.app import Response


def problem(status: int, code: str, detail: str, **extra: object) -> Response:
    """Make a problem; `code` is for programs, `extra` are members of its own."""
    return Response(
        body={"type": "about:blank", "status": status, "code": code, "detail": detail, **extra},
        status_code=status,
        headers={"Content-Type": "application/problem+json", "Cache-Control": "no-store"},
    )
