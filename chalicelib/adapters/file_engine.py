"""DuckDB over files: in the memory of one call, on its disk, and nowhere else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.file_cells import WholeNumber, day
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_layouts import Amount
from chalicelib.adapters.file_spool import NotPlainError, Opened, Spooled, spool

if TYPE_CHECKING:
    import duckdb

MEMORY_MAX = "350MB"
THREADS = 2
ROWS_AT_ONCE = 500


def is_here() -> bool:
    """Whether this function carries DuckDB; only those that take large files in do."""
    return find_spec("duckdb") is not None


class Engine:
    """One database that is gone when its work is done."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", folder: Path) -> None:
        self._connection = connection
        self._folder = folder

    def load(self, table: str, form: CsvFormat[Any], opened: Opened) -> Spooled:
        """Make a table of a file's lines of the agreed shape, in their order; amounts in fen.

        A date that is in no calendar is null.

        :raises NotPlainError: if the row reader must read the file.
        """
        path = self._folder / f"{table}.csv"
        with path.open("wb") as target:
            spooled = spool(form, opened, target)
        cells = ", ".join(
            f"c{at}: '{_type_of(form, name)}'" for at, name in enumerate(spooled.header)
        )
        values = ", ".join(
            _value(form, name, f"c{at}")
            for at, name in enumerate(spooled.header)
            if name in form.layout.names
        )
        self.make(
            table,
            values,
            f"read_csv($path, delim = $delim, columns = {{{cells}}}, header = true,"
            " auto_detect = false, quote = '', escape = '', comment = '', nullstr = '\x01',"
            " new_line = '\\n', null_padding = false)",
            path=str(path),
            delim=form.dialect.separator,
        )
        path.unlink()
        if self.one("count(*)", table) != spooled.good:
            raise NotPlainError("not all lines were read")
        return spooled

    def path(self, name: str) -> Path:
        """Name a file beside the database, gone with it."""
        return self._folder / name

    def see_csv(
        self, table: str, path: Path, columns: Mapping[str, str], *, quote: str = ""
    ) -> None:
        """Give a name to a CSV file with these headers and types; each query reads it anew."""
        cells = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        self._run(
            (
                *("create view", table, "as select * from read_csv(", _quoted(path)),
                f", header = true, auto_detect = false, quote = '{quote}', escape = '{quote}'",
                ", comment = '', nullstr = '\x01', new_line = '\\n'",
                f", columns = {{{cells}}})",
            )
        )

    def see_parquet(self, table: str, paths: Sequence[Path]) -> None:
        """Give a name to Parquet files; each query reads them anew."""
        self._run(("create view", table, "as select * from read_parquet(", _listed(paths), ")"))

    def write_parquet(self, path: Path, source: str) -> None:
        """Write what a query finds as a Parquet file."""
        self._run(("copy (select * from", source, ") to", _quoted(path), "(format parquet)"))

    def make(self, table: str, what: str, source: str, **values: object) -> None:
        """Make a table of what a query finds."""
        self._run(("create table", table, "as select", what, "from", source), values or None)

    def insert(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Add rows to a table that has their columns."""
        for some in batched(rows):
            places = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
            values = [value for row in some for value in row]
            self._run(("insert into", table, "values", places), values)

    def drop(self, table: str) -> None:
        """Forget a table, if there is one."""
        self._run(("drop table if exists", table))

    def rows(self, what: str, source: str) -> Iterator[tuple[Any, ...]]:
        """Stream what a query finds."""
        found = self._run(("select", what, "from", source))
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield from rows

    def one(self, what: str, source: str) -> Any:
        """Give the one value that a query finds."""
        return next(self.rows(what, source))[0]

    def _run(self, words: Iterable[str], values: object = None) -> "duckdb.DuckDBPyConnection":
        """Run a statement: its words are ours, columns are a layout's, and values are bound."""
        return self._connection.execute(" ".join(words), values)


@contextmanager
def engine(
    *, memory_max: str = "", threads: int = THREADS, streams: bool = False
) -> Iterator[Engine]:
    """Open a database; what does not fit into its memory goes to the disk.

    Where it `streams`, rows come as they will, and of a join the right side is kept in memory, as it
    is written: how many rows a file has, the engine can only guess.

    :raises NotPlainError: if it fails: the row reader needs no engine.
    """
    try:
        import duckdb  # noqa: PLC0415  only the functions that take large files in carry it
    except ImportError as error:
        raise NotPlainError("the engine does not start here") from error

    with TemporaryDirectory(prefix="afterloan-files-") as folder:
        connection = duckdb.connect(
            config={
                "memory_limit": memory_max or MEMORY_MAX,
                "threads": threads,
                "temp_directory": f"{folder}/spilled",
                "preserve_insertion_order": not streams,
                "disabled_optimizers": "build_side_probe_side" if streams else "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            yield Engine(connection, Path(folder))
        except duckdb.Error as error:
            raise NotPlainError("the engine failed") from error
        finally:
            connection.close()


def _listed(paths: Iterable[Path]) -> str:
    return f"[{', '.join(map(_quoted, paths))}]"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def batched(rows: Iterable[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    """Cut rows into such groups as one statement takes."""
    left = iter(rows)
    while some := list(islice(left, ROWS_AT_ONCE)):
        yield some


def _type_of(form: CsvFormat[Any], name: str) -> str:
    column = {column.name: column for column in form.layout.columns}.get(name)
    if isinstance(column, Amount) or (column and isinstance(column.read, WholeNumber)):
        return "BIGINT"
    return "VARCHAR"


def _value(form: CsvFormat[Any], name: str, cell: str) -> str:
    column = {column.name: column for column in form.layout.columns}[name]
    if not isinstance(column, Amount) and column.read is day:
        # Of the bare cell the reader would make a date itself, and fail where there is none.
        return f"try_cast(concat({cell}, '') as date) as {name}"
    return f"{cell} as {name}"
