"""What a study embeds once more with the encoders under test: changed images, and other layers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from anndata import AnnData

from phenolens.core.errors import EncoderError
from phenolens.datasets import Manifest
from phenolens.diagnosis import choose_on_held_out, compare_interventions, embedding_shift, layer_variants
from phenolens.embedding import embed_to_folder, encoder_info, first_site
from phenolens.encoders import EncoderName, create_encoder
from phenolens.evaluation import Evaluation
from phenolens.images import interventions
from phenolens.recipes.study import Recipe, SweepSection

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FurtherEmbeddings:
    """Embeds what a recipe asks for beside the images as they are, and asks the same questions again.

    Attributes
    ----------
    recipe
        The study.
    manifest, channels
        Its images.
    out
        The folder of the study; what it already holds is used again.
    progress
        Whether to draw progress bars on stderr.
    """

    recipe: Recipe
    manifest: Manifest
    channels: Sequence[str]
    out: Path
    progress: bool

    def intervene(self, embeddings: Mapping[str, AnnData], evaluation: Evaluation) -> pd.DataFrame | None:
        """Embed changed images, and return what is left of scores; None if no encoder is under test."""
        tested = _tested(embeddings)
        if not tested:
            return None
        names: Sequence[str] = self.recipe.interventions
        if names == "all":
            size = self.recipe.embedding.crop.size or min(first_site(self.manifest).pixels.shape[1:])
            names = interventions(self.channels, (size, size))
        changed = {
            name: self._embed(tested, f"interventions/{EncoderName.parse(name).slug}", intervention=name)
            for name in names
        }
        table = compare_interventions(evaluation, changed, self.recipe.tasks)
        return table.merge(embedding_shift(embeddings, changed), on=["family", "intervention"])

    def sweep(self, embeddings: Mapping[str, AnnData], evaluation: Evaluation) -> pd.DataFrame:
        """Ask other layers, and return what `choose_on_held_out` says."""
        section = self.recipe.sweep or SweepSection()
        variants = {name: self._layers_of(name, section) for name in _tested(embeddings)}
        if names := [name for of_network in variants.values() for name in of_network]:
            swept = evaluation.rescore(self._embed(names, "sweep"), self.recipe.tasks)
            evaluation = replace(evaluation, scores=[*evaluation.scores, *swept.scores])
        return choose_on_held_out(evaluation, variants, seed=self.recipe.seed)

    def _embed(self, names: Sequence[str], folder: str, *, intervention: str | None = None) -> Mapping[str, AnnData]:
        return embed_to_folder(
            self.manifest,
            names,
            self.out / folder,
            channels=self.channels,
            intervention=intervention,
            progress=self.progress,
            **dict(self.recipe.embedding),
        ).embeddings

    def _layers_of(self, name: str, sweep: SweepSection) -> list[str]:
        """Return the variants of an encoder that a sweep asks for and that it has; none where its layer is chosen."""
        if "layer" in dict(EncoderName.parse(name).options):
            return []
        encoder = create_encoder(name, self.channels, manifest=self.manifest)
        layers = [layer for layer in getattr(encoder, "layers", ()) if sweep.layers == "all" or layer in sweep.layers]
        variants = []
        for pool in sweep.pools:
            own = layer_variants(name, layers, [pool])
            try:
                for variant in own[:1]:  # what one layer can be pooled by, all can
                    create_encoder(variant, self.channels, manifest=self.manifest)
            except EncoderError as error:
                _log.warning("left out of the sweep: %s", error)
                continue
            variants += own
        return variants


def _tested(embeddings: Mapping[str, AnnData]) -> list[str]:
    return [name for name, vectors in embeddings.items() if encoder_info(vectors, name).is_tested]
