"""Whose page it is: the session cookie, the language, and what is answered when there is none.

The session's tokens are judged by the wall clock; what is due and paid, by business time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.cookies import CookieError, SimpleCookie

from chalice.app import Request, Response

from chalicelib import wiring
from chalicelib.adapters.access_tokens import BadTokenError, TokensUnverifiableError
from chalicelib.adapters.page_templates import Language
from chalicelib.adapters.page_tokens import SESSION_PAUSE_MAX, PageVisit, Purpose
from chalicelib.adapters.telemetry import count, log
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.entrypoints import page_answers, page_forms
from chalicelib.entrypoints.borrower_requests import (
    TooManyRequestsError,
    base_of,
    count_miss,
    slow_guesses,
)
from chalicelib.entrypoints.boundary import now, where
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows.early_repayment import NotFoundError
from chalicelib.settings import settings

SESSION_COOKIE = "afterloan_session"
LANGUAGE_COOKIE = "afterloan_language"
FORM_FIELD = "form_token"
A_YEAR_SECONDS = 365 * 24 * 3600


class ForgedFormError(Exception):
    """The form is not one of this session's pages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where a page is shown, and in which language; `here` shows it again."""

    base: str
    language: Language
    here: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """A borrower with a session, and what he sends."""

    borrower_id: str
    form_token: str
    now: datetime
    query: Mapping[str, str]
    form: Mapping[str, str]
    surroundings: Surroundings

    def show(self, template: str, *, status: int = 200, **values: object) -> Response:
        """Answer with a page of the borrower's."""
        return _page(
            self.surroundings, template, status=status, form_token=self.form_token, **values
        )

    def address(self, path: str, **query: str) -> str:
        """Make a link to a page."""
        return page_answers.address(self.surroundings.base, path, **query)

    def go_to(self, path: str, **query: str) -> Response:
        """Send the browser to a page."""
        return page_answers.onward(self.address(path, **query))


Page = Callable[[Visit], Response]


def answered(request: Request, page: Page, *, renews: bool = True) -> Response:
    """Answer a request with a borrower's page, or say in plain words why there is none."""
    around = surroundings_of(request)
    try:
        token, visit = _opened(request, around)
        response = _shown(page, visit)
        if renews:
            response.headers["Set-Cookie"] = _cookies(request, around, session=token)
    except BadTokenError as error:
        log.info("session not believed", reason=str(error))
        return failure(around, 401)
    except ForgedFormError:
        log.warning("form not believed")
        count("FormsRefused")
        return failure(around, 403)
    except NotFoundError:
        return failure(around, 404)
    except UnreadableBodyError as error:
        log.info("form not readable", reason=error.code)
        return failure(around, 400)
    except TooManyRequestsError:
        return failure(around, 429)
    except TokensUnverifiableError as error:
        log.error("no token can be judged", reason=str(error))
        count("TokensUnverifiable")
        return failure(around, 503)
    except Exception as error:  # noqa: BLE001  the last resort: a person is told in his words
        log.error("failed", error=type(error).__name__, where=where(error))
        count("PagesFailed")
        return failure(around, 500)
    return response


def _shown(page: Page, visit: Visit) -> Response:
    """Show a page; whoever guesses at what is not his is slowed, as in the API."""
    slow_guesses(visit.borrower_id)
    try:
        return page(visit)
    except NotFoundError:
        count_miss(visit.borrower_id)
        raise


def entered(request: Request) -> Response:
    """Begin a session with a link's token; the address it leads to carries none."""
    around = surroundings_of(request)
    token = page_forms.query_of(request).get("token", "")
    wall = wall_clock()
    try:
        link = wiring.page_tokens().read(token, purpose=Purpose.LINK, now=wall)
        session = wiring.page_tokens().session(link.borrower_id, now=wall, since=link.auth_time)
    except BadTokenError as error:
        log.info("link not believed", reason=str(error))
        return failure(around, 401)
    except TokensUnverifiableError as error:
        log.error("no token can be judged", reason=str(error))
        count("TokensUnverifiable")
        return failure(around, 503)
    response = page_answers.onward(page_answers.address(around.base, "/m"))
    response.headers["Set-Cookie"] = _cookies(request, around, session=session)
    return response


def failure(around: Surroundings, status: int) -> Response:
    """Say why there is no page, and what to do next."""
    return _page(around, "failure", status=status)


def surroundings_of(request: Request) -> Surroundings:
    """Find out where a request's page is shown, and in which language."""
    base = base_of(request)
    query = page_forms.query_of(request)
    given = query.get("lang") or _cookies_of(request).get(LANGUAGE_COOKIE)
    is_english = given == Language.ENGLISH
    path = request.path.format(**(request.uri_params or {})) if request.method == "GET" else "/m"
    again = {name: text for name, text in query.items() if name not in {"lang", "token"}}
    return Surroundings(
        base=base,
        language=Language.ENGLISH if is_english else Language.CHINESE,
        here=page_answers.address(base, path, **(again if request.method == "GET" else {})),
    )


def _page(around: Surroundings, template: str, *, status: int, **values: object) -> Response:
    return page_answers.page(
        template,
        language=around.language,
        base=around.base,
        here=around.here,
        status=status,
        **values,
    )


def _opened(request: Request, around: Surroundings) -> tuple[str, Visit]:
    """Open a borrower's session and renew it; a form must be one of the session's own."""
    tokens, wall = wiring.page_tokens(), wall_clock()
    given = _cookies_of(request).get(SESSION_COOKIE, "")
    visit = tokens.read(given, purpose=Purpose.SESSION, now=wall)
    _check_not_blocked(visit)
    form = page_forms.form_of(request) if request.method == "POST" else {}
    if request.method == "POST" and not tokens.is_form_token(given, form.get(FORM_FIELD, "")):
        raise ForgedFormError
    return tokens.session(visit.borrower_id, now=wall, since=visit.auth_time), Visit(
        borrower_id=visit.borrower_id,
        form_token=tokens.form_token(given),
        now=now(),
        query=page_forms.query_of(request),
        form=form,
        surroundings=around,
    )


def _check_not_blocked(visit: PageVisit) -> None:
    if wiring.controls().is_blocked(visit.borrower_id):
        raise BadTokenError("blocked")


def _cookies_of(request: Request) -> Mapping[str, str]:
    try:
        found = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in found.items()}


def _cookies(request: Request, around: Surroundings, *, session: str) -> list[str]:
    lifetime = int(SESSION_PAUSE_MAX.total_seconds())
    made = [_cookie(around, SESSION_COOKIE, session, seconds=lifetime)]
    if page_forms.query_of(request).get("lang"):
        made.append(_cookie(around, LANGUAGE_COOKIE, around.language, seconds=A_YEAR_SECONDS))
    return made


def _cookie(around: Surroundings, name: str, value: str, *, seconds: int) -> str:
    secure = "" if settings().stage == "local" else "; Secure"
    return (
        f"{name}={value}; Path={around.base}/m; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    )
