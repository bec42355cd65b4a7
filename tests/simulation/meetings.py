"""Handlers that meet: every order their calls can have, over the real entry points and adapters.

A day is brought to a moment, and there those who meet are started side by side.  Each stops before
every call; who goes on is what is searched (sleep_sets.py).  For each order a copy of this process
plays it to its end; where that end is a new one, the day goes on from there without faults,
recovers, and every invariant is held against it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from greenlet import getcurrent, greenlet

from app import app
from chalicelib.flows.early_repayment import request_named
from infra.local.sample_book import SampleBook
from simulators.payment_platform import PaymentPlatform
from tests.simulation import checkers_funders
from tests.simulation.checkers import CHECKERS, Books
from tests.simulation.forks import apart
from tests.simulation.gateway import Answered
from tests.simulation.plan import Fault
from tests.simulation.rows import Rows, text
from tests.simulation.sleep_sets import (
    AllAsleepError,
    Call,
    Figures,
    Played,
    Touch,
    Way,
    every_order,
    softened,
)
from tests.simulation.staged import Shelf, StagedDay, a_book, a_plan
from tests.simulation.tasks import Crash
from tests.simulation.touches import STAGE, call_of, key_of, queue_of
from tests.simulation.watch import Watch
from tests.simulation.world import KEPT, WIRED, World, forget

ORDERS_MAX = 20_000
JUDGES = (*CHECKERS, *checkers_funders.CHECKERS)
IS_OVER = "its messages are taken off"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Who meets when: `arrange` brings a day to the moment, and starts those who meet.

    Whatever is started while it runs takes part in the meeting.
    """

    name: str
    arrange: Callable[["Meeting"], None]
    outcomes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sample: SampleBook = field(default_factory=a_book)
    late: frozenset[str] = frozenset()
    bill: str = ""

    def __str__(self) -> str:
        scripts = [*self.outcomes.items(), *self.texts.items()]
        told = [f"{about}: {', '.join(all_)}" for about, all_ in scripts]
        told += [f"bill: {self.bill}"] if self.bill else []
        return f"{self.name} ({'; '.join(told)})" if told else self.name


@dataclass(eq=False, kw_only=True)
class _Guest:
    """One who meets others: an invocation, where it stands, and its own wiring."""

    work: Callable[[], object]
    done: Callable[[object], None]
    ends_with: Call | None
    running: greenlet | None = None
    request: Any = None
    wired: dict[Any, Any] = field(default_factory=dict)


class Meeting:
    """Stands where the world's tasks stand: whoever is started waits for the meeting to begin."""

    def __init__(self, world: World, scene: Scene, shelf: Shelf) -> None:
        self.scene = scene
        self.current: str | None = None
        self._world, self._tasks, self._faults = world, world.tasks, world.faults
        self._changed_nothing = False
        self._guests: dict[str, _Guest] = {}
        self._hub = getcurrent()
        self.answers: dict[str, tuple[str, str, Answered]] = {}
        plan = a_plan(
            scene.sample,
            outcomes=scene.outcomes,
            texts=scene.texts,
            faults=[Fault(number=0, kind="bill", about=scene.bill)] if scene.bill else (),
        )
        self.day = StagedDay(world, plan, shelf.of(scene.sample, late=scene.late))
        self.watch = world.watching = Watch(self.day)  # type: ignore[assignment]
        scene.arrange(self)

    # --- who comes ----------------------------------------------------------------------

    def gather(self) -> None:
        """From here on, whoever is started takes part.  Time stands still."""
        self._world.tasks = self._world.faults = self  # type: ignore[assignment]
        self._world.watching = self._before_a_call
        for platform in (*self._takers(), self.day.sms):
            platform._hang_seconds = 0.0
        forget()

    def __len__(self) -> int:
        return len(self._guests)

    def start(self, name: str, work: Callable[[], object], done: Callable[[object], None]) -> None:
        """Have one more take part, as the day starts its tasks."""
        ends_with = None
        if name in self.day._workers:  # whoever counts the messages of a queue sees them go
            ends_with = Call(says=IS_OVER, touches=frozenset({(queue_of(name), Touch.ADDS)}))
        while name in self._guests:
            name += "'"
        self._guests[name] = _Guest(work=work, done=done, ends_with=ends_with)

    def invite(self, name: str, work: Callable[[], object]) -> None:
        """Have one take part whose end concerns nobody."""
        self.start(name, work, lambda _: None)

    def pays(self, name: str, quote_id: str, *, key: str, loan_id: str = "LN01") -> None:
        """Have a borrower start a quote's order."""

        def work() -> None:
            answered = self.day.pay(quote_id, key=key, loan_id=loan_id)
            self.answers[name] = loan_id, key, answered

        self.invite(name, work)

    def dies_after(self, table: str) -> None:
        """Have the Lambda die that next puts an item into a table, just after that."""

        def watching(
            service: str, operation: str, parameters: Mapping[str, Any], is_done: bool
        ) -> None:
            self.watch(service, operation, parameters, is_done)
            if is_done and operation == "PutItem" and parameters["TableName"] == STAGE + table:
                self._world.watching = self.watch
                raise Crash

        self._world.watching = watching

    def pause(self, call: Call) -> None:
        """Let others come first, though this is no call of AWS or a platform."""
        self._hub.switch(call)

    def give_way(self) -> None:
        """Everybody gives way before each call as it is: `_before_a_call`."""

    # --- what goes on -------------------------------------------------------------------

    def meet(self, way: Way) -> dict[str, str]:
        """Let them go on as the way says, to the end of all; tell how each ended.

        :raises AllAsleepError: if the rest of this way has been played.
        """
        pending: dict[str, Call] = {}
        ended: dict[str, str] = {}
        with self._own_wiring():
            for name, guest in self._guests.items():
                guest.running = greenlet(partial(self._through, guest), self._hub)
                self._go_on(name, pending, ended)
            while pending:
                name = way.choose(pending)
                about_to, self._changed_nothing = pending[name], False
                self._go_on(name, pending, ended)
                if self._changed_nothing:
                    way.learn(softened(about_to))
        self.leave()
        self._world.watching = self.watch
        return ended

    def leave(self) -> None:
        """Give the world its own tasks and faults back."""
        self._world.tasks, self._world.faults = self._tasks, self._faults
        forget()

    def _through(self, guest: _Guest) -> object:
        try:
            found: object = guest.work()
        except Exception as error:  # noqa: BLE001  how an invocation ends is its caller's business
            found = error
        if guest.ends_with:
            self.pause(guest.ends_with)
        return found

    def _go_on(self, name: str, pending: dict[str, Call], ended: dict[str, str]) -> None:
        guest = self._guests[name]
        assert guest.running is not None
        self.current, app.current_request = name, guest.request
        stands = guest.running.switch()
        self.current, guest.request = None, app.current_request
        if guest.running.dead:
            pending.pop(name, None)
            ended[name] = repr(stands)
            guest.done(stands)
        else:
            pending[name] = stands

    def at(self, _call: int) -> bool:
        """Stand where the faults stand: every call is looked at."""
        return True

    def strike(self, _call: int, service: str, operation: str, make: Callable[[], Any]) -> Any:
        """Make the call, and see whether it has changed nothing, though it could have."""
        before = self._stands_there(service, operation)
        try:
            answer = make()
        except ClientError:  # a condition that failed, most of all
            self._changed_nothing = True
            raise
        self._changed_nothing = before is not None and before == self._stands_there(
            service, operation
        )
        return answer

    def _stands_there(self, service: str, operation: str) -> object:
        """Look at what a call may change; None where it is not known."""
        given = self._given
        if service in {"payment", "sms", "funder"}:
            return self._platforms()
        if service == "dynamodb" and operation in {"PutItem", "UpdateItem", "DeleteItem"}:
            key = key_of(given)
            wanted = {"TableName": given["TableName"], "Key": key, "ConsistentRead": True}
            return repr(self._world.dynamodb.call("GetItem", wanted).get("Item"))
        if service == "s3" and operation == "PutObject":
            return repr(self._world.s3.get(given["Bucket"], given["Key"]))
        return None

    def _platforms(self) -> str:
        takers, sms = self._takers(), self.day.sms
        scripts = [sorted(each._outcomes._scripts.items()) for each in (*takers, sms)]
        orders = [sorted(each._orders.items()) for each in takers]
        return repr((*orders, sorted(sms._messages.items()), scripts))

    def _takers(self) -> list[PaymentPlatform]:
        """List who takes deductions: the payment platform, and a funder that deducts by itself."""
        funders = self.day.funders
        return [self.day.payment, *([funders.funder.wishes] if funders else [])]

    def _before_a_call(
        self, service: str, operation: str, parameters: Mapping[str, Any], is_done: bool
    ) -> None:
        if not is_done and getcurrent() is not self._hub:
            self.pause(call_of(service, operation, parameters))
            self._given = parameters
        self.watch(service, operation, parameters, is_done)

    @contextmanager
    def _own_wiring(self) -> Iterator[None]:
        """Give everybody a Lambda of his own: nothing that one has remembered is seen by another."""
        shared = [
            (module, name, found)
            for module in WIRED
            for name, found in vars(module).items()
            if name not in KEPT and hasattr(found, "cache_clear")
        ]
        try:
            for module, name, found in shared:
                build = found.__wrapped__
                setattr(module, name, partial(self._wired_by, (module.__name__, name), build))
            yield
        finally:
            for module, name, found in shared:
                setattr(module, name, found)

    def _wired_by(self, what: tuple[str, str], build: Callable[..., Any], *given: Any) -> Any:
        if self.current is None:
            return build(*given)
        wired = self._guests[self.current].wired
        if (what, given) not in wired:
            wired[what, given] = build(*given)
        return wired[what, given]

    # --- what became of it ----------------------------------------------------------------

    def stands(self) -> str:
        """Write down where all stands; the order of what waits in queues is nobody's concern."""
        day, world = self.day, self._world
        queues = {
            name: sorted(
                (each.body, each.visible_at, each.receives) for each in queue.messages.values()
            )
            for name, queue in sorted(world.sqs._queues.items())
        }
        waiting = [
            sorted((each.key, each.attempt, each.due_at) for each in platform._outbox._waiting)
            for platform in (day.payment, day.sms)
        ]
        return repr(
            (
                world.digest(),
                queues,
                self._platforms(),
                waiting,
                sorted(day.borrowers.promised.items()),
                sorted((name, repr(told)) for name, told in self.answers.items()),
                sorted(self.watch.wrongs),
                sorted(self.watch.amounts.items()),
                len(day._stream),
            )
        )

    def go_on(self) -> list[str]:
        """Let the day go on without faults, recover, and name what is wrong."""
        day = self.day
        try:
            day.hold()
            day.until_quiet()
            day.recover()
            self._world.watching = None
            books = Books(day)
            return [
                *self.watch.wrongs,
                *(wrong for checker in JUDGES for wrong in checker(books)),
                *self._lies(),
            ]
        except Exception as error:  # noqa: BLE001  what breaks the day is a finding, too
            return [*self.watch.wrongs, f"I13 the day breaks off: {type(error).__name__}: {error}"]

    def _lies(self) -> Iterator[str]:
        """Whoever was told that his order is on its way has one; who was refused has none."""
        owners = {
            text(row["order_no"]): text(row.get("request"))
            for row in Rows(self._world.dynamodb).records()
        }
        for loan_id, key, answer in self.answers.values():
            borrower_id = self.day.book.loans[loan_id].borrower_id
            request = request_named(borrower_id=borrower_id, key=key)
            if answer.status == 202 and owners.get(answer.body["order_no"]) != request:
                yield f"I8 {key} was told that {answer.body['order_no']} is on its way"
            is_told_no = answer.status in {409, 422}
            is_told_no &= (answer.body or {}).get("code") != "request_in_progress"
            if is_told_no and request in owners.values():
                yield f"I8 {key} was refused ({answer.body}), and has started an order"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of one order of a meeting."""

    steps: tuple[str, ...]
    ended: Mapping[str, str]
    wrongs: tuple[str, ...]


@dataclass(kw_only=True)
class Explored:
    """All orders of a scene: how many, how many ends they have, and what is wrong with them."""

    scene: Scene
    figures: Figures = field(default_factory=Figures)
    ends: dict[str, list[str]] = field(default_factory=dict)
    failed: list[Found] = field(default_factory=list)


def explore(world: World, scene: Scene, *, orders_max: int = ORDERS_MAX) -> Explored:
    """Play every order of a scene, and what follows of every end they have.

    :raises TooManyOrdersError: if there are more than `orders_max`.
    """
    meeting = Meeting(world, scene, Shelf(world))
    explored = Explored(scene=scene)

    def play(way: Way) -> Played:
        gone, found = apart(partial(_played, meeting, way, explored.ends))
        return Played(way=gone, is_whole=found is not None, outcome=found)

    try:
        orders = every_order(play, orders_max=orders_max, figures=explored.figures)
        for steps, (stands, ended, wrongs) in orders:
            if wrongs is not None:
                explored.ends[stands] = wrongs
            if told := explored.ends[stands]:
                explored.failed.append(Found(steps=steps, ended=ended, wrongs=tuple(told)))
    finally:
        meeting.leave()
        world.watching = None
    return explored


def _played(
    meeting: Meeting, way: Way, known: Mapping[str, list[str]]
) -> tuple[Way, tuple[str, dict[str, str], list[str] | None] | None]:
    """In a copy: play one way, and what follows of its end if nobody has seen that before."""
    try:
        ended = meeting.meet(way)
    except AllAsleepError:
        return way, None
    stands = meeting.stands()
    return way, (stands, ended, None if stands in known else meeting.go_on())
