"""From recipe to result, one file for each kind."""
