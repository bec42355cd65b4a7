"""The borrower's pages in a real browser, on the local cloud.

Debian's chromium drives them (`make browser` installs it).  With SCREENSHOTS=docs/images the
pages are pictured on the way.
"""

import os
import re
import shutil
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.cloud import borrowers
from tests.cloud.borrowers import DAY, loan_id_of

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}
PATIENCE_MS = 45_000  # a page asks after 2, 5, 10, 18 and 31 s
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine: `make browser` installs it"
)


@pytest.fixture(scope="module")
def book(cloud):
    borrowers.land(cloud)
    return cloud


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(book, chromium):
    """Open a borrower's page by his link; at the end nothing was loaded from elsewhere."""
    from chalicelib import wiring
    from chalicelib.adapters.wall_clock import wall_clock
    from infra.local import office

    contexts = []
    complaints: list[str] = []
    api = office.api_url("local")

    def open_page(who, *, viewport=None, **given):
        context = chromium.new_context(viewport=viewport or PHONE, locale="zh-CN", **given)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else 0)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda sent: (
                None
                if sent.url.startswith((book.endpoint, "data:"))
                else complaints.append(sent.url)
            ),
        )
        token = wiring.page_tokens().link(f"BR-{who}", now=wall_clock())
        page.goto(f"{api}/m/enter?token={token}")
        return page

    open_page.api = api
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def picture(page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", animations="disabled")


def pick(page, who: str, *numbers: int) -> None:
    """Choose loans and go on."""
    for number in numbers or (1,):
        box = page.locator(f"[id='loan.{loan_id_of(who, number)}']")
        if not box.is_checked():
            page.locator(f"label[for='loan.{loan_id_of(who, number)}']").click()
    page.get_by_role("button", name=re.compile("主动还款")).click()


def choose(page, who: str, kind: str, *, amount: str = "", recut: str = "", number: int = 1):
    """Choose how much of one loan."""
    loan_id = loan_id_of(who, number)
    page.locator(f"label[for='choice.{loan_id}.{kind}']").click()
    if amount:
        page.locator(f"[id='amount.{loan_id}']").fill(amount)
    if recut:
        page.locator(f"label[for='recut.{loan_id}.{recut}']").click()


def check(page) -> None:
    page.get_by_role("button", name="下一步，核对明细").click()


def confirm(page) -> None:
    page.locator("[popovertarget=sheet]").first.click()
    page.get_by_role("button", name=re.compile("确认还款 ¥")).click()


def says(page, words: str) -> None:
    page.get_by_role("heading", name=words, level=1).wait_for()


def head_of(who: str, number: int = 1):
    from chalicelib import wiring

    return wiring.books().loans.get(loan_id_of(who, number))


def schedule_of(who: str):
    from chalicelib import wiring

    head = head_of(who)
    return wiring.books().schedules.get(head.loan_id, head.schedule_version).instalments


def charges_of(cloud, who: str, number: int = 1):
    from infra.local import controls

    ledger = controls.ask(cloud.payment_url, f"ledger?date={DAY}")
    loan_id = loan_id_of(who, number)
    return [charge for charge in ledger["charges"] if charge["order_no"].endswith(f"-{loan_id}")]


@contextmanager
def later(cloud, **on):
    """Let business time pass for a while, and turn it back."""
    from chalicelib import wiring
    from infra.local import business_day

    before: datetime = wiring.controls().test_clock()
    now = before + timedelta(**on)
    business_day.set_clock(cloud, now)
    yield now
    business_day.set_clock(cloud, before)


class TestABorrower:
    def test_settles_all(self, visit, book):
        page = visit("settles")
        picture(page, "loans")
        pick(page, "settles")
        choose(page, "settles", "full")
        picture(page, "amount")
        check(page)
        # 12,000 and 14 days of 18 % over 360
        assert "12,084.00" in page.locator(".hero").inner_text()
        page.locator("[popovertarget=sheet]").first.click()
        page.get_by_role("button", name=re.compile("确认还款 ¥")).wait_for()
        picture(page, "sheet")
        page.get_by_role("button", name=re.compile("确认还款 ¥")).click()
        says(page, "还款成功")
        picture(page, "result")

        assert head_of("settles").status == "settled"
        assert [charge["amount_fen"] for charge in charges_of(book, "settles")] == [12_084_00]

    @pytest.mark.parametrize(
        ("who", "recut", "count"),
        [("reduces", "reduce_instalment", 12), ("shortens", "shorten_term", 8)],
    )
    def test_pays_a_part_ahead_and_sees_the_new_schedule_before(
        self, visit, book, who, recut, count
    ):
        page = visit(who)
        before = schedule_of(who)
        pick(page, who)
        choose(page, who, "partial", amount="4000", recut=recut)
        check(page)
        page.locator("summary").click()
        shown = page.locator("td.changed").first.inner_text()
        if recut == "reduce_instalment":
            page.evaluate("document.querySelector('.part').scrollIntoView()")
            picture(page, "confirm")
        confirm(page)
        says(page, "还款成功")

        after = schedule_of(who)
        # 4,000 less 14 days' interest of 84.00 goes into the principal
        assert sum(row.principal.fen for row in after) == 12_000_00 - (4_000_00 - 84_00)
        assert len(after) == count
        assert after[-1].due_on <= before[-1].due_on
        assert str(after[0].total) in shown or recut == "shorten_term"
        assert head_of(who).schedule_version == 2

    def test_pays_what_is_due_today_first(self, visit, book):
        page = visit("due")
        pick(page, "due")
        choose(page, "due", "partial", amount="3000")
        check(page)
        assert "第 1 期" in page.locator(".part").inner_text().replace("第1期", "第 1 期")
        confirm(page)
        says(page, "还款成功")

        assert head_of("due").position.instalment_no == 2
        assert charges_of(book, "due")[0]["amount_fen"] == 3_000_00

    def test_is_told_of_the_deduction_that_came_first(self, visit, book):
        """The round takes the loan while the borrower reads his breakdown."""
        from chalicelib import wiring
        from chalicelib.domain.deduction import order_no_of
        from chalicelib.flows.ports import DeductionMessage
        from infra.local import business_day

        page = visit("conflict")
        pick(page, "conflict")
        choose(page, "conflict", "instalment")
        check(page)
        order_no = order_no_of(business_date=DAY, round_no=1, loan_id=loan_id_of("conflict"))
        wiring.queue("deductions").put([DeductionMessage(order_no=order_no, listed_fen=10**9)])
        business_day.wait_until_quiet(book)
        confirm(page)

        page.get_by_text("这笔借款有一笔扣款正在处理").wait_for()
        page.get_by_role("link", name="查看处理结果").click()
        says(page, "银行处理中")
        assert [charge["order_no"] for charge in charges_of(book, "conflict")] in ([], [order_no])

    def test_is_told_in_plain_words_what_failed_and_what_to_do(self, visit, book):
        page = visit("poor")
        pick(page, "poor")
        choose(page, "poor", "full")
        check(page)
        confirm(page)
        says(page, "还款未成功")
        picture(page, "failed")

        page.get_by_text("扣款账户余额不足").wait_for()
        assert page.get_by_role("link", name="重新还款").is_visible()
        assert charges_of(book, "poor") == []

    def test_sees_a_time_out_end_well(self, visit, book):
        page = visit("silent")
        pick(page, "silent")
        choose(page, "silent", "full")
        check(page)
        confirm(page)
        says(page, "还款成功")

        assert len(charges_of(book, "silent")) == 1

    def test_waits_honestly_and_may_close_the_page(self, visit, book):
        from infra.local import business_day

        page = visit("late")
        pick(page, "late")
        choose(page, "late", "full")
        check(page)
        confirm(page)
        says(page, "银行处理中")
        picture(page, "processing")
        address = page.url
        page.close()
        with later(book, minutes=11) as now:  # the platform's own ten are over
            # It notifies; but while its clock stands still it tries just once, so the sweep asks.
            business_day.call(book, "sweep", now)
            business_day.wait_until_quiet(book)
            again = visit("late")
            again.goto(address)
            says(again, "还款成功")

        assert len(charges_of(book, "late")) == 1

    def test_is_shown_a_fresh_amount_where_the_quote_has_expired(self, visit, book):
        page = visit("expires")
        pick(page, "expires")
        choose(page, "expires", "full")
        check(page)
        with later(book, minutes=16):
            confirm(page)
            page.wait_for_url(re.compile("renewed"))
            assert page.get_by_role("status").is_visible()
            assert charges_of(book, "expires") == []
            confirm(page)
            says(page, "还款成功")

        assert len(charges_of(book, "expires")) == 1

    def test_cannot_learn_that_another_s_loan_exists(self, visit):
        page = visit("stranger")
        foreign = page.request.get(f"{visit.api}/m/loans/{loan_id_of('taps')}")
        missing = page.request.get(f"{visit.api}/m/loans/{loan_id_of('nobody')}")

        assert (foreign.status, missing.status) == (404, 404)
        # But for the number that was asked for, which the link to the other language repeats.
        assert foreign.text().replace("taps", "nobody") == missing.text()

    def test_taps_twice_and_pays_once(self, visit, book):
        page = visit("taps")
        pick(page, "taps")
        choose(page, "taps", "full")
        check(page)
        page.locator("[popovertarget=sheet]").first.click()
        page.get_by_role("button", name=re.compile("确认还款 ¥")).dblclick()
        says(page, "还款成功")

        assert len(charges_of(book, "taps")) == 1

    def test_goes_back_confirms_again_and_pays_once(self, visit, book):
        page = visit("back")
        pick(page, "back")
        choose(page, "back", "full")
        check(page)
        confirm(page)
        says(page, "还款成功")
        first = page.url
        page.go_back()
        page.wait_for_load_state()
        if page.locator("[popovertarget=sheet]").count():
            confirm(page)
            says(page, "还款成功")
            assert page.url.partition("o=")[2] == first.partition("o=")[2]

        assert len(charges_of(book, "back")) == 1

    def test_pays_several_loans_in_one_go_each_with_its_own_result(self, visit, book):
        page = visit("several")
        pick(page, "several", 1, 2)
        choose(page, "several", "overdue", number=1)
        choose(page, "several", "full", number=2)
        check(page)
        confirm(page)
        says(page, "还款成功")

        assert page.locator(".badge-state-SUCCEEDED").count() == 2
        # 40 days past due: the first instalment with its penalty; the second, ten days, too
        assert head_of("several", 1).position.instalment_no == 3
        assert head_of("several", 2).status == "settled"


class TestThePage:
    def test_works_without_javascript(self, visit, book):
        page = visit("plain", java_script_enabled=False)
        pick(page, "plain")
        choose(page, "plain", "full")
        check(page)
        confirm(page)
        says(page, "还款成功")  # by <meta refresh>

        assert len(charges_of(book, "plain")) == 1

    def test_is_worked_by_the_keyboard_alone(self, visit, book):
        page = visit("keys")
        _tab_to(page, f"loan.{loan_id_of('keys')}")
        if not page.locator(":focus").is_checked():
            page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/m/repay"))
        _tab_to(page, f"choice.{loan_id_of('keys')}.partial")
        for _ in range(3):
            if page.locator(":focus").get_attribute("value") == "full":
                break
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/m/confirm"))
        _tab_until(page, "[popovertarget=sheet]:focus")
        page.keyboard.press("Enter")
        _tab_until(page, "#sheet button[type=submit]:focus")
        page.keyboard.press("Enter")
        says(page, "还款成功")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize(
        "path", ["/m", "/m/loans/LN-stranger-1", "/m/repay?loan.LN-stranger-1=1"]
    )
    def test_fits_320_pixels_at_double_size(self, visit, path, scheme):
        page = visit("stranger", viewport=NARROW, color_scheme=scheme)
        page.goto(f"{visit.api}{path}")
        if (path, scheme) == ("/m", "dark"):
            picture(page, "narrow-dark")
        page.evaluate("document.documentElement.style.fontSize = '200%'")

        wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0

    def test_speaks_english_too(self, visit):
        page = visit("stranger")
        page.get_by_role("link", name="English").click()

        page.get_by_role("button", name=re.compile("Pay now")).wait_for()
        assert page.locator("html").get_attribute("lang") == "en"
        picture(page, "english")

    def test_shows_schedule_and_history(self, visit):
        page = visit("reduces")
        page.get_by_role("link", name=re.compile("还款计划与记录")).first.click()
        page.get_by_role("heading", level=1).wait_for()
        picture(page, "loan")

        assert "4,000.00" in page.locator("main").inner_text()

    def test_is_closed_to_whoever_is_not_signed_in(self, visit):
        page = visit("stranger")
        page.context.clear_cookies()
        answer = page.request.get(f"{visit.api}/m")

        assert answer.status == 401
        assert "王" not in answer.text()


def _tab_to(page, identity: str) -> None:
    _tab_until(page, f"[id='{identity}']:focus")


def _tab_until(page, selector: str) -> None:
    for _ in range(60):
        if page.locator(selector).count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")
