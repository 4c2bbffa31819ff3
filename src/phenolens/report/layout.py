"""How records are laid out as tables, whatever their class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from phenolens.core.numbers import MISSING, count, listed, number, within
from phenolens.diagnosis.records import Record
from phenolens.evaluation import Estimate

_NUMBERS = frozenset(f"0123456789+-{MISSING}")


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table, and whether it is to stand out."""

    text: str
    stands_out: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it begins as numbers do, which stand right-aligned."""
        return self.text[:1] in _NUMBERS


@dataclass(frozen=True)
class Table:
    """A table with its title and what a reader must know to read it."""

    title: str
    intro: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def plain(value: object) -> str:
    """Write the value of any field of a record.

    Examples
    --------
    >>> plain(Estimate(0.31, 0.2, 0.4)), plain(0.5), plain(1200), plain(True), plain(("a", "b"))
    ('0.31 [0.20, 0.40]', '0.50', '1,200', 'yes', 'a and b')
    """
    match value:
        case Estimate():
            return within(value.value, value.low, value.high)
        case bool():
            return "yes" if value else "no"
        case int():
            return count(value)
        case float():
            return number(value, 2)
        case tuple():
            return listed([plain(each) for each in value])
        case _:
            return str(value)


@dataclass(frozen=True)
class Column:
    """A column: its heading, the fields that it shows, and how their values are written together."""

    heading: str
    fields: tuple[str, ...]
    write: Callable[..., str] = plain

    def text(self, record: Record) -> str:
        """Return what stands in this column for a record."""
        return self.write(*(getattr(record, name) for name in self.fields))


ENCODER = Column("encoder", ("encoder",))


@dataclass(frozen=True)
class Rows:
    """How the records of a class are laid out with one row for each.

    Attributes
    ----------
    record
        The class.
    section
        The section of the page; see `SECTIONS`.
    title, intro
        What stands above the table.
    columns
        From left to right.
    """

    record: type[Record]
    section: str
    title: str
    intro: str
    columns: tuple[Column, ...]

    def table(self, records: Sequence[Record]) -> Table:
        """Lay records out."""
        headings, texts = [], []
        for column in self.columns:
            in_column = [column.text(record) for record in records]
            if any(in_column):  # such as caveats, of which there are often none
                headings.append(column.heading)
                texts.append([Cell(text) for text in in_column])
        return Table(self.title, self.intro, tuple(headings), tuple(zip(*texts, strict=True)))


@dataclass(frozen=True)
class Crossed:
    """How the records of a class are laid out with a row for each encoder, those under test first.

    Attributes
    ----------
    record, section, title, intro
        As of `Rows`.
    across
        What tells the columns apart; its own heading is not shown.
    cell
        What stands in the cells.
    stands_out
        The field and the value that make a cell stand out.
    """

    record: type[Record]
    section: str
    title: str
    intro: str
    across: Column
    cell: Column
    stands_out: tuple[str, object] = ("", None)

    def table(self, records: Sequence[Record]) -> Table:
        """Lay records out."""
        columns = tuple(dict.fromkeys(self.across.text(record) for record in records))
        by_encoder: dict[str, dict[str, Cell]] = {}
        for record in sorted(records, key=_not_under_test):
            name, value = self.stands_out
            cell = Cell(self.cell.text(record), bool(name) and getattr(record, name) == value)
            by_encoder.setdefault(ENCODER.text(record), {})[self.across.text(record)] = cell
        rows = []
        for encoder, cells in by_encoder.items():
            rows.append((Cell(encoder), *(cells.get(column, Cell(MISSING)) for column in columns)))
        return Table(self.title, self.intro, (ENCODER.heading, *columns), tuple(rows))


def _not_under_test(record: Record) -> bool:
    return not getattr(record, "under_test", True)


def default_layout(kind: type[Record]) -> Rows:
    """Return how a class of records is laid out that says nothing of it: a column for each field.

    Parameters
    ----------
    kind
        The class; the first line of its docstring is the title.
    """
    title = (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")
    names = [each.name for each in fields(kind)]
    columns = tuple(Column(name.replace("_", " "), (name,)) for name in names)
    return Rows(kind, "further", title, "", columns)
