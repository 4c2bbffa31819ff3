"""The explorer: a local page on the embeddings of a study, with its images at full resolution."""

from phenolens.view.server import ViewServer
from phenolens.view.study import Study, open_study

__all__ = ["Study", "ViewServer", "open_study"]
