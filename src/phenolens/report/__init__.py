"""The results of a study on disk, and one self-contained HTML page made from them."""

from phenolens.report.examples import write_changed, write_examples, write_thumbnails
from phenolens.report.overlays import write_overlays
from phenolens.report.render import write_report
from phenolens.report.results import Results
from phenolens.report.scaling import write_scaling
from phenolens.report.unanswered import TITLE, unanswered

__all__ = [
    "TITLE",
    "Results",
    "unanswered",
    "write_changed",
    "write_examples",
    "write_overlays",
    "write_report",
    "write_scaling",
    "write_thumbnails",
]
