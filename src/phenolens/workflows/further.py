"""What a study embeds once more with the encoders under test: changed images, and other layers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phenolens.core.errors import EncoderError
from phenolens.datasets import Manifest
from phenolens.diagnosis import choose_on_held_out, compare_interventions, layer_variants
from phenolens.diagnosis.evidence import Found
from phenolens.embedding import embed_to_folder, encoder_info, first_site
from phenolens.encoders import EncoderInfo, EncoderName, Named, create_encoder
from phenolens.evaluation import Evaluation, Skipped
from phenolens.images import interventions
from phenolens.recipes.study import Recipe, SweepSection
from phenolens.report import write_changed

if TYPE_CHECKING:
    from anndata import AnnData

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

    def intervene(self, embeddings: Mapping[str, AnnData], evaluation: Evaluation) -> Found:
        """Embed changed images, and return what is left of scores."""
        tested = [Named(info.name, info.model, under_test=True) for info in _tested(embeddings)]
        if not tested:
            return Found(skipped=(Skipped("interventions", "no encoder is under test"),))
        names: Sequence[str] = self.recipe.interventions
        if names == "all":
            size = self.recipe.embedding.crop.size or min(first_site(self.manifest).pixels.shape[1:])
            names = interventions(self.channels, (size, size))
        write_changed(self.manifest, self.channels, names, self.recipe.nuclei, self.out)
        changed = {
            name: self._embed(tested, f"interventions/{EncoderName.parse(name).slug}", intervention=name)
            for name in names
        }
        return compare_interventions(evaluation, changed)

    def sweep(self, embeddings: Mapping[str, AnnData], evaluation: Evaluation) -> Found:
        """Embed other layers, score them, and return which are best on held-out units."""
        section = self.recipe.sweep or SweepSection()
        swept: list[Named] = []
        variants: dict[str, list[str]] = {}
        for info in _tested(embeddings):
            layers = self._layers_of(info, section)
            swept += layers
            variants[info.name] = [layer.name for layer in layers]
        if not variants:
            return Found(skipped=(Skipped("layers", "no encoder is under test"),))
        if swept:
            further = evaluation.rescore(self._embed(swept, "sweep"), self.recipe.tasks)
            evaluation = replace(evaluation, scores=[*evaluation.scores, *further.scores])
        return choose_on_held_out(evaluation, variants)

    def _embed(
        self, encoders: Sequence[Named], folder: str, *, intervention: str | None = None
    ) -> Mapping[str, AnnData]:
        return embed_to_folder(
            self.manifest,
            encoders,
            self.out / folder,
            channels=self.channels,
            intervention=intervention,
            nuclei=self.recipe.nuclei,
            progress=self.progress,
            **dict(self.recipe.embedding),
        ).embeddings

    def _layers_of(self, info: EncoderInfo, sweep: SweepSection) -> list[Named]:
        """Return the variants of an encoder that a sweep asks for and that it has; none where its layer is chosen."""
        if "layer" in dict(EncoderName.parse(info.model).options):
            return []
        encoder = create_encoder(info.model, self.channels, manifest=self.manifest)
        layers = [layer for layer in getattr(encoder, "layers", ()) if sweep.layers == "all" or layer in sweep.layers]
        variants: list[Named] = []
        for pool in sweep.pools:
            models = layer_variants(info.model, layers, [pool])
            try:
                for model in models[:1]:  # what one layer can be pooled by, all can
                    create_encoder(model, self.channels, manifest=self.manifest)
            except EncoderError as error:
                _log.warning("left out of the sweep: %s", error)
                continue
            names = layer_variants(info.name, layers, [pool])
            variants += [Named(name, model) for name, model in zip(names, models, strict=True)]
        return variants


def _tested(embeddings: Mapping[str, AnnData]) -> list[EncoderInfo]:
    infos = [encoder_info(vectors, name) for name, vectors in embeddings.items()]
    return [info for info in infos if info.is_tested]
