"""The borrower's pages as a browser sees them: from the link in the text to the result."""

import gzip
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters import page_assets
from chalicelib.domain.deduction import FAILURE_CLASSES
from chalicelib.domain.loan import LoanStatus
from chalicelib.domain.position import Position
from chalicelib.flows import borrower_loans, early_repayment
from chalicelib.flows.early_repayment import CrowdedLoanError, Refused
from tests.builders import at
from tests.lambdas import forget
from tests.page_site import Browser, Site

PAGES = ("/m", "/m/loans/LN1", "/m/repay?loan.LN1=1", "/m/confirm?q=Q1", "/m/result?o=X")
FIRST_VIEW_BYTES_MAX = 40 * 1024


@pytest.fixture
def site(monkeypatch):
    yield Site(monkeypatch)
    forget()


@pytest.fixture
def browser(site):
    return Browser(site).enter()


class TestTheLink:
    def test_begins_a_session_and_leaves_no_token_in_the_address(self, site):
        browser = Browser(site).enter()
        assert browser.status == 303
        assert browser.headers["Location"] == "/api/m"

        [cookie] = browser.headers["Set-Cookie"]
        for attribute in ("Path=/api/m", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=900"):
            assert attribute in cookie.split("; ")

    def test_sets_a_cookie_without_tls_on_the_local_stage_alone(self, monkeypatch):
        browser = Browser(Site(monkeypatch, stage="local")).enter()
        assert "Secure" not in browser.headers["Set-Cookie"][0]
        forget()

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä"])
    def test_that_is_none_is_told_so(self, site, token):
        browser = Browser(site).get(f"/m/enter?token={token}")
        assert browser.status == 401
        assert "链接已失效" in browser.text

    def test_is_no_session_and_a_session_is_no_link(self, site, browser):
        session = browser.cookies["afterloan_session"]
        assert Browser(site).get(f"/m/enter?token={session}").status == 401
        other = Browser(site)
        other.cookies["afterloan_session"] = site.link()
        assert other.get("/m").status == 401

    def test_expires(self, site):
        link = site.link()
        site.wall += timedelta(minutes=16)
        assert Browser(site).get(f"/m/enter?token={link}").status == 401


class TestTheSession:
    @pytest.mark.parametrize("path", PAGES)
    def test_is_needed_on_every_page(self, site, path):
        site.lend()
        browser = Browser(site).get(path)
        assert browser.status == 401
        assert "请从短信或App重新进入" in browser.text

    def test_is_renewed_by_each_page_and_ends_after_a_pause(self, site, browser):
        for _ in range(3):
            site.wall += timedelta(minutes=14)
            assert browser.get("/m").status == 200
        site.wall += timedelta(minutes=16)
        assert browser.get("/m").status == 401

    def test_ends_two_hours_after_the_link(self, site, browser):
        began = site.wall
        while browser.get("/m").status == 200:
            site.wall += timedelta(minutes=10)
        assert site.wall - began == timedelta(hours=2)

    def test_is_not_prolonged_by_a_page_that_asks_by_itself(self, site, browser):
        site.lend()
        browser.pay(LN1="full")
        browser.get(browser.polled)
        assert browser.status == 200
        assert "Set-Cookie" not in browser.headers

    def test_of_a_borrower_who_is_kept_out_is_none(self, site, browser):
        site.controls.blocked.add("B1")
        assert browser.get("/m").status == 401

    def test_survives_other_cookies(self, site, browser):
        browser.cookies["odd"] = '"{;'
        assert browser.get("/m").status in {200, 401}


class TestEveryPage:
    @pytest.fixture
    def answers(self, site, browser):
        site.lend()
        browser.get("/m")
        found = [dict(browser.headers)]
        for path in ("/m/loans/LN1", "/m/repay?loan.LN1=1", "/m/loans/LN404"):
            browser.get(path)
            found.append(dict(browser.headers))
        steps = (
            lambda: browser.choose(LN1="1,0"),
            lambda: browser.choose(LN1="full"),
            browser.follow,
            browser.confirm,
            browser.follow,
            lambda: browser.get(browser.polled),
            lambda: browser.post("/m/repayments", {}),
            lambda: Browser(site).enter(),
        )
        return found + [dict(step().headers) for step in steps]

    def test_loads_nothing_from_elsewhere_and_is_kept_nowhere(self, answers):
        for headers in answers:
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert "base-uri 'none'" in policy
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Content-Type"] == "text/html; charset=utf-8"

    def test_has_one_heading_a_language_and_a_way_past_the_bar(self, site, browser):
        site.lend()
        for path in ("/m", "/m/loans/LN1", "/m/repay?loan.LN1=1", "/m/loans/LN404"):
            browser.get(path)
            assert browser.text.count("<h1") == 1
            assert '<html lang="zh-CN">' in browser.text
            assert '<a class="skip" href="#main">' in browser.text
            ids = re.findall(r'\sid="([^"]+)"', browser.text)
            assert len(ids) == len(set(ids))

    def test_is_there_in_english_too_and_remembers_it(self, site, browser):
        site.lend()
        browser.get("/m/repay?loan.LN1=1")
        [switch] = re.findall(r'class="language"[^>]*href="/api([^"]+)"', browser.text)
        browser.get(switch.replace("&amp;", "&"))
        assert '<html lang="en">' in browser.text
        assert "How much to pay" in browser.text
        assert "My loans" in browser.get("/m").text

    def test_shows_no_more_of_a_name_than_it_must_and_escapes_it(self, monkeypatch):
        site = Site(monkeypatch, name="<img onerror=alert(1)>")
        page = Browser(site).enter().get("/m").text
        assert "<img onerror" not in page
        assert "i*1" in page

        shown = Browser(Site(monkeypatch, name="王小明")).enter().get("/m").text
        assert "王*明" in shown
        assert "王小明" not in shown
        assert "13800000000" not in shown

    def test_escapes_what_an_address_or_a_form_carries(self, site, browser):
        site.lend()
        attack = "\"'><script>alert(1)</script>"
        browser.choose(LN1=attack)
        assert browser.status == 422
        assert "<script>alert" not in browser.text
        browser.get("/m?none=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        assert "<script>alert" not in browser.text

    def test_weighs_little_at_first_sight(self, site, browser):
        for number in range(1, 6):
            site.lend(f"LN{number}")
        browser.get("/m")
        assets = page_assets.read()
        served = {name: assets.served_as(name) for name in ("page.css", "page.js", "mark.svg")}
        for name in served.values():
            assert f"/api/m/assets/{name}" in browser.text
        texts = [assets.get(name).text for name in served.values()]
        texts += [browser.text, assets.get(assets.served_as("htmx.min.js")).text]
        assert sum(len(gzip.compress(text.encode())) for text in texts) <= FIRST_VIEW_BYTES_MAX

    def test_that_fails_says_so_in_words_and_tells_nothing_of_the_failure(
        self, monkeypatch, site, browser
    ):
        def fail(**_given):
            raise RuntimeError("6222020200112233445")

        monkeypatch.setattr(borrower_loans, "loans_of", fail)
        browser.get("/m")
        assert browser.status == 500
        assert "请先在“我的借款”查看结果" in browser.text
        assert "6222020200112233445" not in browser.text


class TestAssets:
    def test_are_kept_for_ever(self, browser):
        name = page_assets.read().served_as("page.css")
        browser.get(f"/m/assets/{name}")
        assert browser.status == 200
        assert browser.headers["Content-Type"] == "text/css; charset=utf-8"
        assert browser.headers["Cache-Control"] == "public, max-age=31536000, immutable"

    @pytest.mark.parametrize("name", ["page.css", "..%2Ftexts.json", "%2e%2e", "texts.json"])
    def test_are_nothing_else(self, browser, name):
        browser.get(f"/m/assets/{name}")
        assert browser.status == 404
        assert browser.text == ""


class TestALoan:
    def test_that_is_not_there_looks_like_another_borrowers(self, site, browser):
        site.lend("LN2", borrower_id="B2")
        for path in (
            "/m/loans/{}",
            "/m/repay?loan.{}=1",
            "/m/result?o=20261124-1-{}",
            "/m/result?x={}:loan_busy",
        ):
            bodies = set()
            for loan_id in ("LN2", "LN9"):
                browser.get(path.format(loan_id))
                assert browser.status == 404
                bodies.add(browser.text.replace(loan_id, "-"))
            assert len(bodies) == 1

    @pytest.mark.parametrize(
        "path", ["/m/loans/{}", "/m/confirm?q=Q{}", "/m/result?o=20261124-1-{}"]
    )
    def test_whose_number_cannot_be_one_is_not_there(self, browser, path):
        assert browser.get(path.format("L" * 3000)).status == 404

    def test_that_is_not_there_is_not_asked_for_without_end(self, browser):
        for _ in range(20):
            assert browser.get("/m/loans/LN9").status == 404

        assert browser.get("/m/loans/LN9").status == 429
        assert browser.get("/m").status == 429

    def test_of_another_is_quoted_and_paid_to_nobody(self, site, browser):
        site.lend("LN1")
        site.lend("LN2", borrower_id="B2")
        browser.get("/m/repay?loan.LN1=1")
        browser.post("/m/quotes", {**browser.hidden, "loan.LN2": "1", "choice.LN2": "full"})
        assert browser.status == 404

    def test_shows_its_schedule_and_its_history(self, site, browser):
        site.lend()
        browser.pay(LN1="full")
        site.work()
        browser.get("/m/loans/LN1")
        # Settled ahead of the first due date: none of the six was paid, and none will be.
        assert browser.text.count('<li class="row row-settled">') == 6
        assert "利息" not in browser.text.partition("还款计划")[2].partition("还款记录")[0]
        assert "全部结清" in browser.text

    def test_that_was_cut_again_still_shows_what_was_paid_before(self, site, browser):
        site.lend(due_in_days=0)
        browser.pay(LN1="5000")
        site.work()
        browser.get("/m/loans/LN1")
        assert browser.text.count('<li class="row row-paid">') == 1
        assert browser.text.count('<li class="row row-ahead">') == 5


class TestPaying:
    def test_leads_from_the_loans_to_the_result(self, site, browser):
        site.lend()
        browser.get("/m")
        assert 'name="loan.LN1" value="1"' in browser.text
        browser.choose(LN1="5000")
        assert browser.location.startswith("/m/confirm?q=Q")

        browser.follow()
        for words in ("5,000.00", "本金", "利息", "罚息", "手续费", "每期少还", "协议尾号 -LN1"):
            assert words in browser.text

        browser.confirm().follow()
        assert "银行处理中" in browser.text
        site.work()
        browser.get(browser.location)
        assert "还款成功" in browser.text
        assert "hx-get" not in browser.text
        assert "http-equiv" not in browser.text

    def test_of_several_loans_is_one_going(self, site, browser):
        site.lend("LN1")
        site.lend("LN2", due_in_days=-3)
        browser.pay(LN1="full", LN2="overdue")
        assert browser.location.count("-Q") == 2
        site.work()
        browser.get(browser.location)
        assert browser.text.count("badge-state-SUCCEEDED") == 2

    def test_asks_for_an_amount_it_can_read_and_keeps_what_was_typed(self, site, browser):
        site.lend("LN1")
        site.lend("LN2")
        browser.choose(LN1="1,00", LN2="full")
        assert browser.status == 422
        assert "逗号只能隔开千位" in browser.text
        assert 'value="1,00"' in browser.text
        assert 'aria-invalid="true"' in browser.text
        assert re.search(r'id="choice.LN2.full"[^>]*checked', browser.text)
        assert not site.world.repayments.messages

    def test_says_between_which_amounts_a_part_may_be(self, site, browser):
        site.lend()
        browser.choose(LN1="1")
        assert browser.status == 422
        assert "金额不在可还范围内" in browser.text
        assert re.search(r"可填 ¥[\d.,]+ 至 ¥[\d.,]+", browser.text)

    def test_of_nothing_asks_to_choose(self, site, browser):
        site.lend()
        assert "请先勾选" in browser.get("/m/repay").follow().text
        browser.choose(LN1="")
        assert "请选择一种还款方式" in browser.text

    def test_happens_once_however_often_the_button_is_tapped(self, site, browser):
        site.lend()
        browser.choose(LN1="5000").follow()
        form = browser.hidden
        first = browser.post("/m/repayments", form).location
        assert browser.post("/m/repayments", form).location == first
        site.work()
        assert browser.post("/m/repayments", form).location == first
        assert sum(site.world.platform.charged.values()) == 1

    def test_in_two_windows_leads_both_to_the_one_order(self, site, browser):
        site.lend()
        address = browser.choose(LN1="5000").location
        first = browser.get(address).hidden
        second = browser.get(address).hidden
        assert first["key"] != second["key"]
        location = browser.post("/m/repayments", first).location
        assert browser.post("/m/repayments", second).location == location
        site.work()
        assert browser.post("/m/repayments", second).location == location

    def test_is_not_offered_again_to_who_goes_back(self, site, browser):
        site.lend()
        address = browser.choose(LN1="5000").location
        browser.follow()
        result = browser.confirm().location
        for _ in range(2):
            browser.get(address)
            assert (browser.status, browser.location) == (303, result)
            site.work()

    def test_says_when_the_amount_has_changed_overnight(self, site, browser):
        site.lend(due_in_days=-3)
        address = browser.choose(LN1="overdue").location
        form = browser.follow().hidden
        site.now += timedelta(days=1)
        browser.post("/m/repayments", form)
        assert browser.location.startswith("/m/confirm?q=Q")
        assert "renewed=1" in browser.location
        assert "金额已更新" in browser.follow().text
        assert "金额已更新" in browser.get(address).text
        assert not site.world.repayments.messages

    def test_shows_the_refusals_of_some_beside_the_progress_of_others(self, site, browser):
        site.lend("LN1")
        site.lend("LN2", due_in_days=-3)
        browser.choose(LN1="full", LN2="overdue").follow()
        form = browser.hidden
        loan = site.world.loans.rows["LN2"]
        site.world.loans.rows["LN2"] = replace(loan, hold="dispute", version=loan.version + 1)

        browser.post("/m/repayments", form).follow()
        assert "x=LN2:on_hold" in browser.location
        assert "银行处理中" in browser.text
        assert "由工作人员核对" in browser.text

    def test_outside_its_hours_says_when(self, site, browser):
        site.lend()
        browser.choose(LN1="full").follow()
        form = browser.hidden
        site.now = at(23, 50)
        assert "金额已更新" in browser.post("/m/repayments", form).follow().text
        browser.choose(LN1="full").follow()
        assert "现在不在还款时间内" in browser.text
        assert "popovertarget" not in browser.text

    def test_too_often_is_slowed_down(self, site, browser):
        site.lend()
        browser.choose(LN1="full").follow()
        form = browser.hidden
        statuses = {browser.post("/m/repayments", form).status for _ in range(12)}
        assert statuses == {303, 429}

    def test_of_a_loan_everybody_writes_is_put_off(self, monkeypatch, site, browser):
        site.lend()
        browser.choose(LN1="full").follow()

        def crowded(**_given):
            raise CrowdedLoanError

        monkeypatch.setattr(early_repayment, "start", crowded)
        assert "正在更新" in browser.confirm().follow().text


class TestAForm:
    @pytest.mark.parametrize("path", ["/m/quotes", "/m/repayments"])
    @pytest.mark.parametrize("token", ["", "0" * 64, "ä"])
    def test_of_another_site_is_not_taken(self, site, browser, path, token):
        site.lend()
        browser.choose(LN1="full").follow()
        browser.post(path, {**browser.hidden, "form_token": token})
        assert browser.status == 403
        assert "没有扣款" in browser.text
        assert not site.world.repayments.messages

    def test_of_another_borrowers_session_is_not_taken(self, site, browser):
        site.lend()
        browser.choose(LN1="full").follow()
        form = browser.hidden
        other = Browser(site).enter("B2")
        assert other.post("/m/repayments", form).status == 403

    def test_of_another_type_is_not_taken(self, site, browser):
        browser.post("/m/quotes", {}, **{"Content-Type": "application/json"})
        assert browser.status == 415

    def test_with_a_field_twice_or_no_key_is_not_taken(self, site, browser):
        site.lend()
        browser.choose(LN1="full").follow()
        form = browser.hidden
        assert browser.post("/m/repayments", [*form.items(), ("key", "other")]).status == 400
        assert browser.post("/m/repayments", {**form, "key": ""}).status == 400
        assert browser.post("/m/repayments", {**form, "big": "x" * 70_000}).status == 400
        assert not site.world.repayments.messages

    def test_with_the_quote_of_another_loan_is_not_taken(self, site, browser):
        site.lend("LN1")
        site.lend("LN2")
        browser.choose(LN1="full").follow()
        form = browser.hidden
        form["quote.LN2"] = form.pop("quote.LN1")
        assert browser.post("/m/repayments", form).status == 404
        assert not site.world.repayments.messages


class TestTheResult:
    def paying(self, site, browser, outcome):
        site.lend(agreement_no="AG-1")
        site.world.platform.script["AG-1"] = [outcome]
        browser.pay(LN1="full")
        site.work()
        return browser.get(browser.location)

    @pytest.mark.parametrize("code", FAILURE_CLASSES)
    def test_of_a_failure_says_why_and_what_next(self, site, browser, code):
        self.paying(site, browser, code.lower())
        assert "还款未成功" in browser.text
        assert "没有扣款" in browser.text
        assert "银行没有说明原因" not in browser.text
        assert 'href="/api/m/repay?loan.LN1=1"' in browser.text

    def test_asks_again_with_growing_pauses_with_and_without_javascript(self, site, browser):
        self.paying(site, browser, "timeout_after_charge")
        assert 'hx-trigger="load delay:2s, again"' in browser.text
        assert re.search(
            r'<noscript><meta http-equiv="refresh" content="2;url=/api/m/result', (browser.text)
        )
        pauses = []
        for _ in range(7):
            [asking] = re.findall(r'hx-get="/api([^"]+)"', browser.text)
            browser.get(asking.replace("&amp;", "&"))
            pauses += re.findall(r"delay:(\d+)s", browser.text)
            assert "<html" not in browser.text
            assert 'id="outcome"' not in browser.text, "nothing new is said twice"
        assert pauses == ["3", "5", "8", "13", "21", "30", "30"]

    def test_that_takes_long_is_not_made_prettier(self, site, browser):
        self.paying(site, browser, "timeout_after_charge")
        address = browser.location
        site.now += timedelta(minutes=2)
        browser.get(address)
        assert "银行还没有答复" in browser.text
        assert "请勿重复还款" in browser.text

    def test_ends_the_asking_and_says_what_is_new(self, site, browser):
        site.lend()
        browser.pay(LN1="full")
        [asking] = re.findall(r'hx-get="/api([^"]+)"', browser.text)
        site.work()
        browser.get(asking.replace("&amp;", "&"))
        assert "hx-get" not in browser.text
        assert 'id="outcome" hx-swap-oob="innerHTML"' in browser.text
        assert "还款成功" in browser.text
        assert "已全部结清" in browser.text

    def test_is_found_again_after_the_page_was_closed(self, site, browser):
        self.paying(site, browser, "timeout_after_charge")
        [link] = re.findall(r'href="/api(/m/result[^"]+)"', Browser(site).enter().get("/m").text)
        assert "银行处理中" in browser.get(link).text

    def test_of_an_order_that_never_went_out_says_that_nothing_was_deducted(self, site, browser):
        site.lend()
        browser.get("/m/result?o=20261124-Qabcdabcdabcdabcd-LN1")
        assert "没有发起，没有扣款" in browser.text

    @pytest.mark.parametrize("order_no", ["x", "20269999-1-LN1", "%3Cb%3E"])
    def test_of_no_order_is_not_found(self, site, browser, order_no):
        site.lend()
        assert browser.get(f"/m/result?o={order_no}").status == 404

    def test_of_nothing_leads_to_the_loans(self, browser):
        assert browser.get("/m/result").location == "/m"


def test_a_loan_that_is_settled_is_shown_apart(site, browser):
    loan = site.lend()
    site.world.loans.rows["LN1"] = replace(
        loan, status=LoanStatus.SETTLED, unpaid_due_on=None, position=Position(instalment_no=7)
    )
    browser.get("/m")
    assert "已结清的借款（1 笔）" in browser.text
    assert "没有还款中的借款" in browser.text
    browser.get("/m/repay?loan.LN1=1")
    assert "这笔借款已结清" in browser.text
    assert "下一步，核对明细" not in browser.text


def test_a_refusal_without_words_still_has_some(monkeypatch, site, browser):
    site.lend()
    browser.choose(LN1="full").follow()
    monkeypatch.setattr(early_repayment, "start", lambda **_given: Refused(code="brand_new"))
    assert "暂时不能办理，没有扣款" in browser.confirm().follow().text
