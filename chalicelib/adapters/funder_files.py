"""Files for funders, in the exchange bucket: each as its funder has agreed to read it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from chalicelib.adapters import file_writer
from chalicelib.adapters.file_dialects import CsvFormat, Dialect
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.adapters.funders import dialect_of
from chalicelib.domain.funder import Funder
from chalicelib.flows.funder_ports import FunderFile, Written
from chalicelib.flows.landing import MANIFEST_SUFFIX
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


def format_of(funder: Funder, kind: str, dialects: Mapping[str, Dialect]) -> CsvFormat[Any]:
    """Give how a funder's files of a kind are read."""
    return CsvFormat(layout=FUNDER_LAYOUTS[kind], dialect=dialect_of(funder, kind, dialects))
