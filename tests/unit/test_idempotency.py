"""A request with a key is worked once: asked again it is answered the same, or told to wait."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.flows import idempotency
from chalicelib.flows.idempotency import (
    PATIENCE,
    Answer,
    InProgressError,
    KeyReusedError,
    Request,
)
from tests.builders import at
from tests.fakes import Crash, Outside
from tests.fakes_requests import FakeRequests

REQUEST = Request(key="k", fingerprint="what was asked", begun_at=at(9))
DONE = Answer(status=202, body={"order_no": "1"}, headers={"Location": "/1"})
NOT_YET = Answer(status=503, body={"code": "paused"}, headers={}, is_final=False)


class Work:
    """Answers in turn, and counts how often it was done."""

    def __init__(self, *answers: Answer | BaseException) -> None:
        self.answers = list(answers)
        self.times = 0

    def __call__(self) -> Answer:
        self.times += 1
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def store():
    return FakeRequests(Outside())


def once(store, work, *, later: timedelta = timedelta(0), **changes) -> Answer:
    request = replace(REQUEST, begun_at=REQUEST.begun_at + later, **changes)
    return idempotency.once(request=request, store=store, work=work)


def died(store) -> Work:
    """Let a request die in the midst of its work."""
    work = Work(Crash(), DONE)
    with pytest.raises(Crash):
        once(store, work)
    return work


class TestARequest:
    def test_is_worked_and_its_answer_kept(self, store):
        answer = once(store, Work(DONE))

        assert (answer, answer.is_replayed) == (DONE, False)
        assert store.rows["k"].answer == DONE

    def test_again_is_answered_the_same_and_not_worked(self, store):
        work = Work(DONE)
        once(store, work)
        again = [once(store, work, later=timedelta(days=days)) for days in (0, 1, 29)]

        assert again == [replace(DONE, is_replayed=True)] * 3
        assert work.times == 1

    def test_that_was_refused_is_refused_again(self, store):
        refused = Answer(status=409, body={"code": "loan_busy"}, headers={})
        work = Work(refused)

        answers = [once(store, work), once(store, work)]
        assert answers == [refused, replace(refused, is_replayed=True)]

    @pytest.mark.parametrize("is_answered", [True, False])
    def test_with_a_known_key_and_another_wish_is_refused(self, store, is_answered):
        once(store, Work(DONE)) if is_answered else died(store)
        work = Work(DONE)

        with pytest.raises(KeyReusedError):
            once(store, work, fingerprint="something else", later=PATIENCE)
        assert work.times == 0

    def test_with_another_key_is_another(self, store):
        work = Work(DONE, NOT_YET)

        assert [once(store, work), once(store, work, key="l")] == [DONE, NOT_YET]


class TestARequestInWork:
    def test_is_not_worked_a_second_time(self, store):
        again = Work(DONE)

        def meanwhile() -> Answer:
            with pytest.raises(InProgressError):
                once(store, again, later=PATIENCE - timedelta(microseconds=1))
            return DONE

        assert once(store, meanwhile) == DONE
        assert again.times == 0

    def test_whose_worker_died_is_in_work_until_he_must_be_dead(self, store):
        work = died(store)
        with pytest.raises(InProgressError):
            once(store, work, later=PATIENCE - timedelta(microseconds=1))
        assert work.times == 1

        assert once(store, work, later=PATIENCE) == DONE
        assert work.times == 2

    def test_is_taken_over_by_one(self, store):
        work = died(store)

        def meanwhile() -> Answer:
            with pytest.raises(InProgressError):
                once(store, work, later=PATIENCE)
            return DONE

        assert once(store, meanwhile, later=PATIENCE) == DONE
        assert work.times == 1

    def test_is_taken_over_by_one_of_two_who_saw_it(self, store):
        """The other has read it, and comes too late."""
        work = died(store)
        other = Work(DONE)
        calls: list[str] = []

        def overtaken(call: str) -> None:
            calls.append(call)
            if call == "FakeRequests.take_over" and calls.count(call) == 1:
                once(store, other, later=PATIENCE)

        store.outside.before_call = overtaken
        with pytest.raises(InProgressError):
            once(store, work, later=PATIENCE + timedelta(seconds=1))
        assert (work.times, other.times) == (1, 1)
        store.outside.before_call = None
        assert once(store, work, later=PATIENCE) == replace(DONE, is_replayed=True)


class TestWhatIsForgotten:
    def test_is_a_request_whose_work_failed(self, store):
        work = Work(ValueError("no network"), DONE)
        with pytest.raises(ValueError, match="no network"):
            once(store, work)
        assert not store.rows

        assert once(store, work) == DONE

    def test_is_an_answer_that_may_be_better_the_next_time(self, store):
        work = Work(NOT_YET, DONE)

        assert [once(store, work), once(store, work)] == [NOT_YET, DONE]
        assert store.rows["k"].answer == DONE

    def test_is_not_a_request_that_was_answered(self, store):
        once(store, Work(DONE))
        store.forget(REQUEST)

        assert once(store, Work()) == replace(DONE, is_replayed=True)


def test_a_crash_at_any_call_leaves_a_request_that_can_be_gone_on_with():
    calm = FakeRequests(Outside())
    once(calm, Work(DONE))
    for dies_at in range(calm.outside.boundaries):
        store = FakeRequests(Outside(dies_at=dies_at))
        with pytest.raises(Crash):
            once(store, Work(DONE))

        assert replace(once(store, Work(DONE), later=PATIENCE), is_replayed=False) == DONE, dies_at
        assert store.rows["k"].answer == DONE, dies_at
