"""The staff's part of the API's document: roles are in docs/interfaces.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from chalicelib.entrypoints import operations_models as models


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One route and method: what it takes and gives, and with which problems it may refuse."""

    method: Literal["get", "post"]
    path: str
    name: str
    says: str
    status: int
    gives: type[BaseModel]
    takes: type[Any] | None = None
    problems: Sequence[int] = ()
    parameters: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, Any] = field(default_factory=dict)
    signed_in: bool = True


REFERENCE: Mapping[str, Any] = {
    "name": "reference",
    "in": "path",
    "required": True,
    "description": "the `id` a list gives",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,512}$"},
}
DAY: Mapping[str, Any] = {
    "name": "day",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "date"},
}
ON_DATE: Mapping[str, Any] = {
    "name": "date",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "format": "date"},
}
QUERY: tuple[Mapping[str, Any], ...] = (
    ON_DATE,
    *(
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in ("channel", "state", "owner", "cursor")
    ),
)

REFUSALS = (400, 404, 409, 413, 415, 422)


def _step(
    last: str, *, name: str, says: str, takes: type[models.Step], status: int = 200
) -> Operation:
    """Describe a step in a discrepancy's life; all answer with what it came to."""
    return Operation(
        method="post",
        path=f"/v1/ops/discrepancies/{{reference}}/{last}",
        name=name,
        says=says,
        status=status,
        gives=models.DiscrepancyDetailBody,
        takes=takes,
        problems=REFUSALS,
        parameters=(REFERENCE,),
    )


STAFFS_OPERATIONS = (
    Operation(
        method="get",
        path="/v1/ops/discrepancies",
        name="listDiscrepancies",
        says="A date's discrepancies, or whatever is not resolved; page by page.",
        status=200,
        gives=models.DiscrepanciesBody,
        problems=(400,),
        parameters=(*QUERY,),
    ),
    Operation(
        method="get",
        path="/v1/ops/discrepancies/{reference}",
        name="getDiscrepancy",
        says="One discrepancy with all that people have added to it.",
        status=200,
        gives=models.DiscrepancyDetailBody,
        problems=(404,),
        parameters=(REFERENCE,),
    ),
    Operation(
        method="get",
        path="/v1/ops/discrepancies/{reference}/audit",
        name="getDiscrepancyAudit",
        says="What people did about it, in a chain of digests.",
        status=200,
        gives=models.AuditBody,
        problems=(404,),
        parameters=(REFERENCE,),
    ),
    _step(
        "comments",
        name="commentOnDiscrepancy",
        says="Say something about it.",
        takes=models.CommentRequest,
        status=201,
    ),
    _step(
        "assign",
        name="assignDiscrepancy",
        says="Hand it to somebody.",
        takes=models.AssignRequest,
    ),
    _step(
        "explain",
        name="explainDiscrepancy",
        says="Propose what is to be done; the answer shows the effect.",
        takes=models.ExplainRequest,
    ),
    _step(
        "resolve",
        name="resolveDiscrepancy",
        says="Approve it as a second person, and have it done.",
        takes=models.ResolveRequest,
    ),
    _step(
        "reject",
        name="rejectDiscrepancy",
        says="Take the proposal off again.",
        takes=models.ReasonRequest,
    ),
    _step(
        "reopen",
        name="reopenDiscrepancy",
        says="Open it again; what was corrected stays so.",
        takes=models.ReasonRequest,
    ),
    Operation(
        method="get",
        path="/v1/ops/runs",
        name="listRuns",
        says="The jobs of a date, today's by default.",
        status=200,
        gives=models.RunsBody,
        problems=(400,),
        parameters=(ON_DATE,),
    ),
    Operation(
        method="get",
        path="/v1/ops/runs/{day}",
        name="getDay",
        says="The jobs of a date with their control totals.",
        status=200,
        gives=models.DayBody,
        problems=(404,),
        parameters=(DAY,),
    ),
    Operation(
        method="post",
        path="/v1/ops/days/{day}/reopen",
        name="askDayReopened",
        says="Ask for a closed day to be opened again.",
        status=202,
        gives=models.RunBody,
        takes=models.DayReopenRequest,
        problems=REFUSALS,
        parameters=(DAY,),
    ),
    Operation(
        method="post",
        path="/v1/ops/days/{day}/reopen/approve",
        name="reopenDay",
        says="Open it again as a second person; bills that were refused are taken.",
        status=200,
        gives=models.RunBody,
        takes=models.NothingRequest,
        problems=REFUSALS,
        parameters=(DAY,),
    ),
    Operation(
        method="post",
        path="/v1/ops/pause",
        name="pauseDeductions",
        says="Send no more deductions, within half a minute.",
        status=200,
        gives=models.SwitchBody,
        takes=models.NothingRequest,
        problems=(400, 413, 415, 422),
    ),
    Operation(
        method="post",
        path="/v1/ops/resume",
        name="resumeDeductions",
        says="Send deductions again.",
        status=200,
        gives=models.SwitchBody,
        takes=models.NothingRequest,
        problems=(400, 413, 415, 422),
    ),
)
