"""Names from files are printed as they are: square brackets in them are no markup."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.cli import main
from phenolens.cli.options import print_table
from phenolens.embedding import PROVENANCE


@pytest.mark.parametrize("name", ["a[/red]b", "[bold]", "[link=x]y[/link]", "a[", "[/]"])
def test_a_score_of_an_encoder_with_brackets_in_its_name(tmp_path, capsys, name):
    rows = 24
    obs = pd.DataFrame(
        {
            "perturbation": [f"c{row % 4}" for row in range(rows)],
            "plate": [f"p{row % 3}" for row in range(rows)],
            "well": [f"{'ABCD'[row // 12]}{row % 12 + 1:02d}" for row in range(rows)],
        },
        index=[str(row) for row in range(rows)],
    )
    vectors = AnnData(np.random.default_rng(0).normal(size=(rows, 5)).astype(np.float32), obs=obs)
    vectors.uns[PROVENANCE] = {"encoder": name}
    vectors.write_h5ad(tmp_path / "a.h5ad")
    question = ["--task", "replicate-retrieval", "--option", "measures=distinctiveness"]
    main_or_exit(["evaluate", str(tmp_path / "a.h5ad"), *question])
    assert name in capsys.readouterr().out


def main_or_exit(arguments):
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code  # noqa: PT017 - a success ends like this, too


def test_cells_and_headers_of_tables(capsys):
    print_table(("[red]what[/red]", "found"), [("[/]", "[bold]x")])
    text = capsys.readouterr().out
    assert "[red]what[/red]" in text
    assert "[/]" in text
    assert "[bold]x" in text
