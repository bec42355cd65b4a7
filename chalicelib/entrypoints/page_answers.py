"""What a page is answered with: HTML, its headers, or the way to the next page."""

from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.adapters import page_assets, page_templates
from chalicelib.adapters.page_templates import Language

Headers = dict[str, str | list[str]]

HEADERS: Headers = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOR_EVER = "public, max-age=31536000, immutable"


def address(base: str, path: str, **query: str) -> str:
    """Make a link to a page; `base` is what stands before our paths here.

    >>> address("/api", "/m/result", o="A,B", x="")
    '/api/m/result?o=A,B'
    """
    given = {name: value for name, value in query.items() if value}
    return f"{base}{path}" + (f"?{urlencode(given, safe=',:')}" if given else "")


def page(
    template: str,
    *,
    language: Language,
    base: str,
    here: str,
    status: int = 200,
    **values: object,
) -> Response:
    """Answer with a page; `here` is the address that shows it again in the other language."""
    body = page_templates.read().render(
        template,
        language=language,
        base=base,
        here=here,
        status=status,
        asset=lambda name: f"{base}/m/assets/{page_assets.read().served_as(name)}",
        **values,
    )
    return Response(body=body, status_code=status, headers=dict(HEADERS))


def onward(location: str) -> Response:
    """Send the browser on, so that neither a refresh nor the back button posts again."""
    return Response(body="", status_code=303, headers={**HEADERS, "Location": location})


def asset(served_as: str) -> Response:
    """Answer with a file a page loads; the name changes when the file does."""
    found = page_assets.read().get(served_as)
    if found is None:
        return Response(body="", status_code=404, headers=dict(HEADERS))
    headers: Headers = {**HEADERS, "Content-Type": found.content_type, "Cache-Control": FOR_EVER}
    return Response(body=found.text, headers=headers)
