"""What the operations API takes and gives, as the outside sees it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.domain.audit_trail import Entry
from chalicelib.domain.discrepancy import Action, Approval, Discrepancy, Proposal
from chalicelib.domain.discrepancy_life import ALLOWED, TEXT_MAX
from chalicelib.domain.money import Money
from chalicelib.domain.run import Run
from chalicelib.entrypoints.api_models import AMOUNT_FEN_MAX

Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
Version = Annotated[int, Field(ge=0, description="of the discrepancy as the caller has seen it")]
ActionName = Literal["post_late_success", "reverse", "refund", "accept", "write_off"]
StateName = Literal["open", "explained", "resolved", "written_off"]


class _Taken(BaseModel):
    """A body we take: strict, and nothing that we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Given(BaseModel):
    """A body we give."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Taken):
    """What a step in a discrepancy's life takes."""

    def as_wished(self) -> Mapping[str, Any]:
        """Give what is wished as the flow's verb takes it."""
        return dict(self)


class CommentRequest(Step):
    """What somebody has to say."""

    text: Text


class AssignRequest(Step):
    """Who is to look after it; nobody if it is empty."""

    version: Version
    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")]


class ExplainRequest(Step):
    """What is to be done, and why; the amount is of a write-off alone."""

    version: Version
    action: ActionName
    reason: Text
    amount_fen: int | None = Field(default=None, ge=1, le=AMOUNT_FEN_MAX)

    def as_wished(self) -> Mapping[str, Any]:
        """Give what is wished as the flow's verb takes it."""
        return {
            "version": self.version,
            "action": Action(self.action),
            "reason": self.reason,
            "amount": None if self.amount_fen is None else Money(self.amount_fen),
        }


class ResolveRequest(Step):
    """That a second person approves what is proposed."""

    version: Version


class ReasonRequest(Step):
    """Why a proposal is rejected, or a discrepancy opened again."""

    version: Version
    reason: Text


class DayReopenRequest(_Taken):
    """Why a closed day is to be opened again."""

    reason: Text


class NothingRequest(_Taken):
    """Nothing but that it is asked for."""


class CommentBody(_Given):
    """What somebody has said."""

    by: str
    at: datetime
    text: str


class ProposalBody(_Given):
    """What is to be done, by whom it was proposed, and the effect it had then."""

    action: ActionName
    reason: str
    made_by: str
    made_at: datetime
    amount_fen: int | None
    effect: Mapping[str, Any]

    @classmethod
    def of(cls, proposal: Proposal) -> "ProposalBody":
        return cls.model_validate(
            {
                "action": proposal.action.value,
                "reason": proposal.reason,
                "made_by": proposal.made_by,
                "made_at": proposal.made_at,
                "amount_fen": proposal.amount.fen if proposal.amount else None,
                "effect": proposal.effect,
            }
        )


class ApprovalBody(_Given):
    """Who has approved it, and the date its correction is of."""

    approved_by: str
    approved_at: datetime
    business_date: date

    @classmethod
    def of(cls, approval: Approval) -> "ApprovalBody":
        return cls(
            approved_by=approval.approved_by,
            approved_at=approval.approved_at,
            business_date=approval.business_date,
        )


class DiscrepancyBody(_Given):
    """One discrepancy, as it stands in a list; `actions` are what may be proposed about it."""

    id: str
    version: int
    business_date: date
    channel: str
    kind: str
    order_no: str
    state: StateName
    here_fen: int | None
    there_fen: int | None
    suggestion: str
    actions: tuple[ActionName, ...]
    owner: str
    opened_at: datetime
    age_days: int
    resolved_at: datetime | None
    decided_by: str
    reason: str
    is_approved: bool

    @classmethod
    def facts_of(cls, each: Discrepancy, today: date) -> Mapping[str, Any]:
        """Name what every view of a discrepancy shows."""
        return {
            "id": each.reference,
            "version": each.version,
            "business_date": each.business_date,
            "channel": each.channel,
            "kind": each.kind.value,
            "order_no": each.order_no,
            "state": each.state.value,
            "here_fen": each.here.fen if each.here is not None else None,
            "there_fen": each.there.fen if each.there is not None else None,
            "suggestion": each.suggestion,
            "actions": tuple(sorted(action.value for action in ALLOWED[each.kind])),
            "owner": each.handling.owner,
            "opened_at": each.opened_at,
            "age_days": each.age_days(today),
            "resolved_at": each.resolved_at,
            "decided_by": each.decided_by,
            "reason": each.reason,
            "is_approved": each.handling.approval is not None,
        }


class DiscrepancyDetailBody(DiscrepancyBody):
    """A discrepancy with both sides' figures and all that people have added to it.

    `waits_for` says why what was approved is not done yet; empty where nothing is waited for.
    """

    facts: Mapping[str, Any]
    comments: tuple[CommentBody, ...]
    proposal: ProposalBody | None
    approval: ApprovalBody | None
    waits_for: str

    @classmethod
    def of(cls, each: Discrepancy, *, today: date, waits_for: str = "") -> "DiscrepancyDetailBody":
        handling = each.handling
        return cls.model_validate(
            {
                **cls.facts_of(each, today),
                "facts": each.facts,
                "comments": tuple(
                    CommentBody(by=said.by, at=said.at, text=said.text)
                    for said in handling.comments
                ),
                "proposal": ProposalBody.of(handling.proposal) if handling.proposal else None,
                "approval": ApprovalBody.of(handling.approval) if handling.approval else None,
                "waits_for": waits_for,
            }
        )


class DiscrepanciesBody(_Given):
    """A page of discrepancies; `cursor` says where to go on, empty at the end."""

    discrepancies: tuple[DiscrepancyBody, ...]
    cursor: str

    @classmethod
    def of(cls, found: Sequence[Discrepancy], *, cursor: str, today: date) -> "DiscrepanciesBody":
        bodies = (DiscrepancyBody.facts_of(each, today) for each in found)
        return cls(
            discrepancies=tuple(DiscrepancyBody.model_validate(facts) for facts in bodies),
            cursor=cursor,
        )


class EntryBody(_Given):
    """One thing that somebody did, or was refused."""

    sequence: int
    at: datetime
    by: str
    verb: str
    outcome: Literal["done", "refused"]
    facts: Mapping[str, Any]
    digest: str


class AuditBody(_Given):
    """All that people did about one thing; `broken_at` names the first entry that was tampered with."""

    entries: tuple[EntryBody, ...]
    broken_at: int | None

    @classmethod
    def of(cls, entries: Sequence[Entry], *, broken_at: int | None) -> "AuditBody":
        return cls(
            entries=tuple(
                EntryBody.model_validate(
                    {
                        "sequence": entry.sequence,
                        "at": entry.at,
                        "by": entry.by,
                        "verb": entry.verb,
                        "outcome": entry.outcome,
                        "facts": entry.facts,
                        "digest": entry.digest,
                    }
                )
                for entry in entries
            ),
            broken_at=broken_at,
        )


class RunBody(_Given):
    """One job of a date: how far it is."""

    business_date: date
    job: str
    state: str
    started_at: datetime
    completed_at: datetime | None
    reopened: int
    reopening_asked_by: str

    @classmethod
    def facts_of(cls, run: Run) -> Mapping[str, Any]:
        """Name what every view of a run shows."""
        return {
            "business_date": run.business_date,
            "job": run.job,
            "state": run.state,
            "started_at": run.started_at,
            "completed_at": run.completed_at,
            "reopened": run.reopened,
            "reopening_asked_by": str(run.asked["by"]) if run.is_asked else "",
        }


class RunsBody(_Given):
    """The jobs of a date."""

    runs: tuple[RunBody, ...]


class RunDetailBody(RunBody):
    """A job with its control totals."""

    totals: Mapping[str, Any]


class DayBody(_Given):
    """The jobs of a date with their control totals."""

    business_date: date
    runs: tuple[RunDetailBody, ...]


class SwitchBody(_Given):
    """Whether deductions are paused."""

    paused: bool
