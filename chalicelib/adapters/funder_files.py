"""Files for funders, in the exchange bucket: each as its funder has agreed to read it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from chalicelib.adapters import due_matching, file_writer
from chalicelib.adapters.file_dialects import Dialect
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.adapters.funders import dialect_of
from chalicelib.domain.due_comparison import DueComparison
from chalicelib.domain.funder import DueLine, Funder
from chalicelib.flows.funder_ports import FunderFile, Written
from chalicelib.flows.landing import MANIFEST_SUFFIX, Batch
from chalicelib.flows.ports import ObjectStore


@dataclass(frozen=True, kw_only=True, slots=True)
class S3FunderFiles:
    """Writes the file first and then its manifest: who sees the manifest, sees a whole file.

    A funder whose dialect has a trailer gets the manifest as well.
    """

    store: ObjectStore
    funders: Mapping[str, Funder]
    dialects: Mapping[str, Dialect]

    def write(
        self, *, kind: FunderFile, funder_id: str, key: str, lines: Iterable[object]
    ) -> Written:
        written = file_writer.write(
            lines,
            layout=FUNDER_LAYOUTS[kind],
            dialect=dialect_of(self.funders[funder_id], kind, self.dialects),
        )
        self.store.write(key, written.body)
        self.store.write(key + MANIFEST_SUFFIX, written.manifest)
        return Written(
            key=key,
            rows=written.rows,
            amount=written.amount,
            sha256=sha256(written.body).hexdigest(),
        )


def format_of(funder: Funder, kind: str, dialects: Mapping[str, Dialect]) -> ScreenedFormat[Any]:
    """Give how a funder's files of a kind are read."""
    return ScreenedFormat(layout=FUNDER_LAYOUTS[kind], dialect=dialect_of(funder, kind, dialects))


@dataclass(frozen=True, kw_only=True, slots=True)
class DueMatcher:
    """Compares due files of any size with our lines, in each funder's dialect."""

    funders: Mapping[str, Funder]
    dialects: Mapping[str, Dialect]

    def __call__(
        self, *, funder_id: str, batch: Batch[DueLine], ours: Callable[[], Iterable[DueLine]]
    ) -> DueComparison:
        form = format_of(self.funders[funder_id], "due", self.dialects)
        return due_matching.match(
            theirs=due_matching.DueFile(form=form, opened=batch.opened),
            ours=due_matching.as_file(ours),
        )
