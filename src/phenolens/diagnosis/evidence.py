"""All that a diagnosis found and says: records and verdicts together, as data and as files hold them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.diagnosis.notebook import verdicts_html
from phenolens.diagnosis.records import NAN, Record
from phenolens.evaluation import Skipped

R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """What one part of a diagnosis returns.

    Attributes
    ----------
    records
        What was found, in the order in which it is read.
    skipped
        What could not be evaluated, and why.
    """

    records: tuple[Record, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __add__(self, other: "Found") -> "Found":
        return Found((*self.records, *other.records), (*self.skipped, *other.skipped))


@dataclass(frozen=True)
class Verdict:
    """A sentence and the numbers that it rests on.

    Attributes
    ----------
    kind
        Which rule made it; `RULES` says what each rests on. A code for files, not for readers.
    title
        The same for readers.
    claim
        The sentence.
    encoder, baseline
        The encoders compared; empty where there is none.
    task, profiling
        The question.
    effect, low, high
        The effect and its 95 % interval; NaN where there is none.
    p_adjusted
        The p value, adjusted over the claims of the card; NaN where the verdict makes no claim.
    """

    kind: str
    title: str
    claim: str
    encoder: str = ""
    baseline: str = ""
    task: str = ""
    profiling: str = ""
    effect: float = NAN
    low: float = NAN
    high: float = NAN
    p_adjusted: float = NAN


@dataclass(frozen=True)
class Evidence:
    """All that a diagnosis found, p values adjusted.

    Attributes
    ----------
    records
        What was found.
    skipped
        What could not be evaluated, and why.
    """

    records: tuple[Record, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def of(self, kind: type[R]) -> list[R]:
        """Return the records of one class."""
        return [record for record in self.records if isinstance(record, kind)]

    def tables(self) -> dict[str, list[Record]]:
        """Return name -> records, one entry for each class that was found."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            found.setdefault(table_name(type(record)), []).append(record)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries and lists."""
        tables = {name: [asdict(record) for record in records] for name, records in self.tables().items()}
        return {"records": tables, "skipped": [asdict(each) for each in self.skipped]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Evidence":
        """Read back what `as_dict` returns, also from JSON, which has no NaN.

        Raises
        ------
        PhenolensError
            If there are records of a class that is not known, or fields that do not fit it.
        """
        tables, skipped = content.get("records"), content.get("skipped")
        if not isinstance(tables, Mapping) or not isinstance(skipped, Sequence):
            raise PhenolensError("the evidence lacks its records or what was skipped; run the study again")
        classes = {table_name(kind): kind for kind in _subclasses(Record)}
        records: list[Record] = []
        for name, rows in tables.items():
            if name not in classes:
                raise PhenolensError(f"the evidence holds records '{name}', which are not known; run the study again")
            records += read_rows(classes[name], rows, name)
        return cls(tuple(records), tuple(read_rows(Skipped, skipped, "skipped")))


@dataclass(frozen=True, eq=False)
class Card:
    """The evidence, and the sentences that it supports.

    Attributes
    ----------
    evidence
        All that was found.
    verdicts
        What calls scores into question comes first.
    """

    evidence: Evidence
    verdicts: list[Verdict]

    def to_frame(self, records: str | None = None) -> pd.DataFrame:
        """Return the verdicts as a table, or the records of one class.

        Parameters
        ----------
        records
            The name of a class of records, such as ``baseline_difference``; verdicts if None. The numbers of an
            estimate have columns such as ``estimate.low``.

        Raises
        ------
        PhenolensError
            If there are no such records.

        Examples
        --------
        >>> Card(Evidence(), [Verdict("gain", "Gain", "A is better than B.")]).to_frame()["claim"].tolist()
        ['A is better than B.']
        """
        if records is None:
            return pd.DataFrame(
                [asdict(each) for each in self.verdicts], columns=[each.name for each in fields(Verdict)]
            )
        tables = self.evidence.tables()
        if records not in tables:
            raise PhenolensError(f"the diagnosis found no records '{records}'{did_you_mean(records, tables)}")
        return pd.json_normalize([asdict(each) for each in tables[records]])

    def _repr_html_(self) -> str:
        return verdicts_html("What it learned", self.verdicts)


def read_rows(kind: type[T], rows: Sequence[Any], name: str) -> list[T]:
    """Return dictionaries, as JSON has them, as objects of a dataclass.

    Parameters
    ----------
    kind
        The dataclass, no field of which may be None: null is read as NaN.
    rows
        One dictionary for each object.
    name
        What the rows are called in messages.

    Raises
    ------
    PhenolensError
        If a field is missing, or is not of its type.
    """
    try:
        return TypeAdapter(list[kind]).validate_python(_with_nan(rows))  # type: ignore[valid-type]
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise PhenolensError(
            f"the results cannot be read: {name}.{where}: {problem['msg']}; run the study again"
        ) from error


def _with_nan(content: Any) -> Any:
    """Return content with NaN in the place of null: no field of a record is None."""
    if isinstance(content, Mapping):
        return {key: _with_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_with_nan(value) for value in content]
    return NAN if content is None else content


def table_name(kind: type[Record]) -> str:
    """Return the name of a class of records in files.

    Examples
    --------
    >>> from phenolens.diagnosis.records import BiologyBesideNuisance
    >>> table_name(BiologyBesideNuisance)
    'biology_beside_nuisance'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _subclasses(kind: type[Record]) -> Iterable[type[Record]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
