"""Tasks among restricted rows: matched on a covariate, or sharing no value of a column with the rows compared."""
