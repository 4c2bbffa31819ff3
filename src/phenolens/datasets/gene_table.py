"""Tables of genes, such as the chromosome arm of each."""

from pathlib import Path

import pandas as pd

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.datasets.columns import as_names, column_name
from phenolens.datasets.table_file import read_rows


def read_gene_table(path: Path, column: str) -> "pd.Series[str]":
    """Read a column of a table of genes; return gene -> value, of genes that have one.

    Parameters
    ----------
    path
        A table, as in `read_table`, whose first column holds the names of genes, as perturbations are called.
    column
        The column to read.

    Raises
    ------
    PhenolensError
        If it cannot be read, has no such column, or a gene has several values.
    """
    table = read_rows(path, "a table of genes", keep=True)
    called = column_name(column)
    if called not in table.columns[1:]:
        raise PhenolensError(f"{path}: no column '{column}'{did_you_mean(column, table.columns[1:])}")
    named = pd.DataFrame({"gene": as_names(table.iloc[:, 0]), called: as_names(table[called])})
    known = named.dropna().drop_duplicates()
    genes = known["gene"]
    if genes.duplicated().any():
        raise PhenolensError(f"{path}: gene '{genes[genes.duplicated()].iloc[0]}' has several values of '{column}'")
    return pd.Series(known[called].to_numpy(), index=genes.to_numpy())
