"""The outside world, in memory.  tests/contract holds the stores to their word.

`Outside` counts every call that leaves the process and can die before or after any of them;
tests/interleavings.py lets another handler come in before it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time

from chalicelib.domain.agenda import AgendaRules
from chalicelib.domain.correction import Correction
from chalicelib.domain.deduction import Answer, AnswerStatus, Deduction, Order, Skip, Status
from chalicelib.domain.due_clearance import Clearance
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Loan, LoanStatus, Mode
from chalicelib.domain.run import Run
from chalicelib.domain.schedule import Cut
from chalicelib.domain.window import SendWindow
from chalicelib.flows import deduction, deduction_round, due_list, early_repayment, sweep
from chalicelib.flows.early_repayment import QuotedTerms
from chalicelib.flows.ports import AgendaEntry, Books, MovedByAnotherError
from tests.builders import PRODUCT, at, cut_of

ACTIVE_WINDOW = SendWindow(opens=time(0), closes=time(23, 50))


class Crash(BaseException):
    """The process is gone; no `except Exception` stops it."""


@dataclass
class Outside:
    """Dies at the given boundary: an even number before a call, an odd one after it.

    `before_call` is told of each call, by store and name, before it is made.
    """

    dies_at: int | None = None
    boundaries: int = 0
    before_call: Callable[[str], None] | None = None

    def enters(self, call: str) -> None:
        if self.before_call:
            self.before_call(call)
        self.passes()

    def passes(self) -> None:
        if self.boundaries == self.dies_at:
            self.boundaries += 1
            raise Crash
        self.boundaries += 1


class MonotonicClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class _Counted:
    """Counts the boundaries of every public method."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    def __getattribute__(self, name: str):
        found = object.__getattribute__(self, name)
        if name.startswith("_") or not callable(found):
            return found
        outside = object.__getattribute__(self, "outside")

        def call(*args, **kwargs):
            outside.enters(f"{type(self).__name__}.{name}")
            answer = found(*args, **kwargs)
            outside.passes()
            return answer

        return call


class FakeLoans(_Counted):
    def __init__(self, outside: Outside, shards: int = 2) -> None:
        super().__init__(outside)
        self.rows: dict[str, Loan] = {}
        self.shards = shards

    def get(self, loan_id: str) -> Loan | None:
        return self.rows.get(loan_id)

    def get_many(self, loan_ids):
        return {loan_id: self.rows[loan_id] for loan_id in loan_ids if loan_id in self.rows}

    def add(self, loan: Loan) -> bool:
        if loan.loan_id in self.rows:
            return False
        self.rows[loan.loan_id] = loan
        return True

    def write(self, loan: Loan) -> Loan:
        if self.rows[loan.loan_id].version != loan.version:
            raise MovedByAnotherError(loan.loan_id)
        self.rows[loan.loan_id] = replace(loan, version=loan.version + 1)
        return self.rows[loan.loan_id]

    def agenda(self, *, unpaid_due_on: date, shard: int) -> Iterator[AgendaEntry]:
        return iter(
            [
                AgendaEntry(
                    loan_id=loan.loan_id,
                    borrower_id=loan.borrower_id,
                    mode=loan.mode.value,
                    product=loan.product,
                )
                for _, loan in sorted(self.rows.items())
                if loan.unpaid_due_on == unpaid_due_on
                and loan.status is LoanStatus.OPEN
                and sum(loan.borrower_id.encode()) % self.shards == shard
            ]
        )

    def of_borrower(self, borrower_id: str):
        return [loan.loan_id for loan in self.rows.values() if loan.borrower_id == borrower_id]


class FakeSchedules(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[tuple[str, int], Cut] = {}
        self.sources: dict[tuple[str, int], str] = {}

    def get(self, loan_id: str, version: int):
        return self.rows[loan_id, version]

    def get_many(self, wanted):
        return {key[0]: self.rows[key].instalments for key in wanted if key in self.rows}

    def add(self, loan_id: str, version: int, cut: Cut, *, source: str) -> bool:
        standing = self.sources.setdefault((loan_id, version), source)
        if standing == source:
            self.rows[loan_id, version] = cut
        return standing == source


class FakeQuotes(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, QuotedTerms] = {}

    def put(self, quoted: QuotedTerms) -> None:
        self.rows[quoted.quote_id] = quoted

    def get(self, quote_id: str):
        return self.rows.get(quote_id)


class FakeActiveOrders(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[tuple[date, str], datetime] = {}

    def open(self, *, business_date: date, order_no: str, at: datetime) -> None:
        self.rows[business_date, order_no] = at

    def of_day(self, business_date: date):
        return iter([(no, at) for (day, no), at in self.rows.items() if day == business_date])

    def remove(self, *, business_date: date, order_no: str, noted_at: datetime) -> None:
        if self.rows.get((business_date, order_no)) == noted_at:
            del self.rows[business_date, order_no]


class FakeSplitRepairs(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, datetime] = {}

    def note(self, *, order_no: str, at: datetime) -> None:
        self.rows[order_no] = at

    def is_noted(self, order_no: str) -> bool:
        return order_no in self.rows

    def all(self):
        return iter(sorted(self.rows.items()))

    def forget(self, order_no: str) -> None:
        self.rows.pop(order_no, None)


class FakeJournal(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.results: dict[str, Deduction] = {}
        self.skips: dict[str, Skip] = {}
        self.corrections: dict[str, Correction] = {}

    def put(self, deduction: Deduction) -> bool:
        is_new = deduction.order_no not in self.results
        self.results.setdefault(deduction.order_no, deduction)
        return is_new

    def put_skip(self, skip: Skip) -> bool:
        is_new = skip.order_no not in self.skips
        self.skips.setdefault(skip.order_no, skip)
        return is_new

    def find(self, order_no: str):
        return self.results.get(order_no) or self.skips.get(order_no)

    def get_many(self, order_nos):
        return {no: self.results[no] for no in order_nos if no in self.results}

    def of_day(self, business_date: date):
        records = [*self.results.values(), *self.skips.values()]
        return iter([record for record in records if record.business_date == business_date])

    def corrections_of_day(self, business_date: date):
        return iter(
            [one for one in self.corrections.values() if one.business_date == business_date]
        )

    def of_loan(self, loan_id: str):
        found = [
            record
            for _, record in sorted(self.results.items())
            if record.loan_id == loan_id and record.result.status is Status.SUCCEEDED
        ]
        return iter(found)


class FakeRuns(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[tuple[date, str], Run] = {}

    def start(self, *, business_date: date, job: str, at: datetime) -> Run:
        return self.rows.setdefault(
            (business_date, job), Run(business_date=business_date, job=job, started_at=at)
        )

    def get(self, business_date: date, job: str):
        return self.rows.get((business_date, job))

    def of_day(self, business_date: date):
        return [run for (day, _), run in self.rows.items() if day == business_date]

    def put_part(self, *, business_date: date, job: str, shard: int, totals) -> Run:
        run = self.rows[business_date, job]
        run = replace(run, parts={**run.parts, shard: totals})
        self.rows[business_date, job] = run
        return run

    def claim(self, *, business_date: date, job: str, version: int) -> bool:
        run = self.rows[business_date, job]
        if run.claimed > version:
            return False
        self.rows[business_date, job] = replace(run, claimed=version)
        return True

    def put_totals(self, run: Run) -> None:
        standing = self.rows[run.business_date, run.job]
        if run.claimed and run.claimed != standing.claimed:
            return
        if standing.is_complete:
            run = replace(standing, totals=run.totals)
        self.rows[run.business_date, run.job] = replace(
            run, parts=standing.parts, claimed=standing.claimed
        )

    def last_completed(self, job: str):
        done = [day for (day, name), run in self.rows.items() if name == job and run.is_complete]
        return max(done, default=None)


class FakeControls(_Counted):
    paused = False

    def is_paused(self) -> bool:
        return self.paused


class FakeQueue(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.messages: list = []
        self.delays: list[int] = []

    def put(self, messages, *, delay_seconds: int = 0) -> None:
        put = list(messages)
        self.messages += put
        self.delays += [delay_seconds] * len(put)

    def is_busy(self) -> bool:
        return bool(self.messages)

    def is_at_work(self) -> bool:
        waiting = self.delays[len(self.delays) - len(self.messages) :]
        return any(delay == 0 for delay in waiting)

    def _take_all(self) -> list:
        taken, self.messages = self.messages, []
        return taken


class FakeDueLists(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.lists: dict[tuple[date, int, int], tuple] = {}
        self.manifests: dict[tuple[date, int], dict] = {}

    def write(self, *, business_date: date, round_no: int, shard: int, lines):
        return self.lists.setdefault((business_date, round_no, shard), tuple(lines))

    def read(self, *, business_date: date, round_no: int, shard: int):
        return iter(self.lists[business_date, round_no, shard])

    def write_manifest(self, *, business_date: date, round_no: int, parts) -> None:
        self.manifests[business_date, round_no] = dict(parts)


@dataclass
class FakePlatform:
    """Charges an order number once; `script` gives the outcome of each new order of an agreement."""

    outside: Outside
    script: dict[str, list[str]] = field(default_factory=dict)
    charged: Counter = field(default_factory=Counter)
    ends: dict[str, Answer] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    ordered: dict[str, Order] = field(default_factory=dict)
    splits: dict[str, tuple] = field(default_factory=dict)
    split_numbers: set[str] = field(default_factory=set)
    split_failures: int = 0
    available: bool = True

    def is_available(self) -> bool:
        return self.available

    def deduct(self, order) -> Answer:
        self.outside.enters("FakePlatform.deduct")
        assert self.ordered.setdefault(order.order_no, order) == order, "another order, same number"
        if order.order_no not in self.ends:
            outcomes = self.script.get(order.agreement_no, [])
            self._begin(order, outcomes.pop(0) if outcomes else "succeed")
        answer = self._say(order.order_no)
        self.outside.passes()
        return answer

    def ask(self, order_no: str) -> Answer:
        self.outside.enters("FakePlatform.ask")
        answer = (
            self._say(order_no) if order_no in self.ends else Answer(status=AnswerStatus.NOT_EXIST)
        )
        self.outside.passes()
        return answer

    def close(self, order_no: str) -> Answer:
        self.outside.enters("FakePlatform.close")
        answer = self.ends.get(order_no, Answer(status=AnswerStatus.NOT_EXIST))
        self.outside.passes()
        return answer

    def split_again(self, *, order_no: str, split_no: str, split) -> bool:
        """Split once what is not split; `split_failures` times it fails first."""
        self.outside.enters("FakePlatform.split_again")
        assert split == self.ordered[order_no].split, "another split"
        self.split_numbers.add(split_no)
        if self.split_failures:
            self.split_failures -= 1
        elif self.ends[order_no].split_pending:
            self.splits[order_no] = split
            self.ends[order_no] = replace(self.ends[order_no], split_pending=False)
        self.outside.passes()
        return not self.ends[order_no].split_pending

    def _begin(self, order, outcome: str) -> None:
        if outcome == "timeout_before_charge":
            self.silent[order.order_no] = 1
            return
        if outcome in {
            "succeed",
            "timeout_after_charge",
            "processing_then_succeed",
            "wrong_amount",
            "split_fails_after_charge",
            "split_fails_unheard",
        }:
            self.charged[order.order_no] += 1
            amount = order.amount
            if outcome == "wrong_amount":
                amount = type(amount)(amount.fen + 1)
            self.ends[order.order_no] = Answer(
                status=AnswerStatus.SUCCEEDED,
                trade_no=f"T{order.order_no}",
                amount=amount,
                paid_at=at(9),
                split_pending=outcome.startswith("split_fails") and bool(order.split),
            )
            if not self.ends[order.order_no].split_pending:
                self.splits[order.order_no] = order.split
            is_heard = outcome in {"succeed", "wrong_amount", "split_fails_after_charge"}
            self.silent[order.order_no] = int(not is_heard)
        else:
            code = outcome.upper()
            self.ends[order.order_no] = Answer(status=AnswerStatus.FAILED, failure_code=code)
            self.silent[order.order_no] = 0

    def _say(self, order_no: str) -> Answer:
        if self.silent.get(order_no):
            self.silent[order_no] -= 1
            return Answer(status=AnswerStatus.UNREADABLE, note="no_answer")
        return self.ends.get(order_no, Answer(status=AnswerStatus.NOT_EXIST))


class AllClear:
    """Clears every funder's dues, as true due files would."""

    def __init__(self, funders) -> None:
        self.funders = funders

    def begin(self, *, business_date: date, now: datetime) -> None:
        """Have nothing to begin."""

    def clear(self, *, business_date: date, now: datetime):
        return dict.fromkeys(self.funders, Clearance())


class World:
    """Every store, queue and platform, and the desks that work with them."""

    def __init__(self, *, shards: int = 2) -> None:
        self.outside = Outside()
        self.loans = FakeLoans(self.outside, shards)
        self.schedules = FakeSchedules(self.outside)
        self.journal = FakeJournal(self.outside)
        self.runs = FakeRuns(self.outside)
        self.controls = FakeControls(self.outside)
        self.due_lists = FakeDueLists(self.outside)
        self.walks = FakeQueue(self.outside)
        self.deductions = FakeQueue(self.outside)
        self.asks = FakeQueue(self.outside)
        self.repayments = FakeQueue(self.outside)
        self.quotes = FakeQuotes(self.outside)
        self.active_orders = FakeActiveOrders(self.outside)
        self.split_repairs = FakeSplitRepairs(self.outside)
        self.notices = FakeQueue(self.outside)
        self.platform = FakePlatform(self.outside)
        self.funders: dict[str, Funder] = {}
        self.paid_to_us = frozenset({Mode.SELF_OPERATED})
        self.books = Books(
            loans=self.loans,
            schedules=self.schedules,
            journal=self.journal,
            products={PRODUCT.code: PRODUCT},
            funders=self.funders,
        )
        self.shards = shards

    @property
    def deducting(self) -> deduction.Desk:
        return deduction.Desk(
            books=self.books,
            platform=self.platform,
            deductions=self.deductions,
            asks=self.asks,
            controls=self.controls,
            window=SendWindow(),
            split_repairs=self.split_repairs,
        )

    @property
    def repaying(self) -> early_repayment.Desk:
        return early_repayment.Desk(
            books=self.books,
            quotes=self.quotes,
            active_orders=self.active_orders,
            repayments=self.repayments,
            asks=self.asks,
            controls=self.controls,
            window=ACTIVE_WINDOW,
            served_modes=self.paid_to_us,
        )

    @property
    def morning(self) -> due_list.Desk:
        return due_list.Desk(
            books=self.books,
            runs=self.runs,
            due_lists=self.due_lists,
            walks=self.walks,
            notices=self.notices,
            rules=AgendaRules(),
            shards=self.shards,
        )

    @property
    def rounds(self) -> deduction_round.Desk:
        return deduction_round.Desk(
            books=self.books,
            runs=self.runs,
            due_lists=self.due_lists,
            walks=self.walks,
            deductions=self.deductions,
            shards=self.shards,
            clearing=AllClear(self.funders),
        )

    @property
    def sweeping(self) -> sweep.Desk:
        return sweep.Desk(
            mornings=self.morning,
            rounds=self.rounds,
            active_orders=self.active_orders,
            asks=self.asks,
            split_repairs=self.split_repairs,
            list_at=time(0, 10),
            round_at=(time(8), time(16)),
        )

    def book(self, loan: Loan, schedule) -> Loan:
        """Put a loan into the book, with its cut or with a plain schedule of the builders'."""
        self.loans.rows[loan.loan_id] = loan
        cut = schedule if isinstance(schedule, Cut) else cut_of(schedule)
        self.schedules.rows[loan.loan_id, loan.schedule_version] = cut
        return loan
