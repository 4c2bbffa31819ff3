"""The profiles of an evaluation: each is computed once, and those that cannot be computed are skipped by name."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenolens.core.errors import PhenolensWarning, ProfilingError
from phenolens.encoders.info import EncoderInfo
from phenolens.evaluation.skipped import Skipped
from phenolens.profiling import FITTED_ON, Level, profile
from phenolens.tasks import Task

if TYPE_CHECKING:
    from anndata import AnnData

_MOST_BYTES = 2 << 30  # of cached profiles; the oldest are dropped first


@dataclass(frozen=True, eq=False)
class _Made:
    """Profiles and the warnings raised while computing them; or the reason why they could not be computed."""

    profiles: AnnData | None
    notes: tuple[str, ...]
    error: str


class Profiles:
    """Profiles by encoder, profiling, aggregation and hold-out, computed at their first use.

    Parameters
    ----------
    embeddings
        Encoder (with its seed) -> its embeddings of the same sites.
    infos
        Encoder (with its seed) -> its description.
    batch_by
        The metadata columns whose combinations define the batches of profiling; the plate if None.
    seed
        The seed by which controls are split into halves to fit profilers on and to hold out.
    """

    def __init__(
        self,
        embeddings: Mapping[str, AnnData],
        infos: Mapping[str, EncoderInfo],
        batch_by: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.embeddings = dict(embeddings)
        self.infos = dict(infos)
        self.batch_by = batch_by
        self.seed = seed
        self._made: dict[tuple[str, str, Level, bool], _Made] = {}

    def tested(self) -> dict[str, AnnData]:
        """Return the embeddings of encoders under test."""
        return {name: self.embeddings[name] for name, info in self.infos.items() if info.is_tested}

    def tested_and_counterparts(self) -> dict[str, AnnData]:
        """Return the vectors of encoders under test and of all seeds of their untrained counterparts."""
        names = set()
        for info in self.infos.values():
            if info.is_tested:
                names |= {info.name, info.counterpart}
        return {encoder: self.embeddings[encoder] for encoder, info in self.infos.items() if info.name in names}

    def measured_by(self, baseline: str) -> str | None:
        """Return the encoder (with its seed) that is this registered baseline under any name; None if none is."""
        return next((name for name, info in self.infos.items() if info.measures == baseline), None)

    def batches(self, encoder: str) -> tuple[str, ...]:
        """Return the metadata columns whose combinations are the batches of profiling."""
        if self.batch_by is not None:
            return tuple(self.batch_by)
        return ("plate",) if "plate" in self.embeddings[encoder].obs else ()

    def averaged(self, encoder: str, aggregation: Level = "well") -> AnnData:
        """Return an encoder's embeddings without profiling, averaged to wells or not at all."""
        return profile(self.embeddings[encoder], "raw", level=aggregation)

    def get(self, encoder: str, profiling: str, aggregation: Level, *, hold_out: bool = False) -> AnnData:
        """Return the profiles of one encoder.

        Parameters
        ----------
        encoder
            The encoder, with its seed.
        profiling
            The profiling.
        aggregation
            ``well`` or ``site``.
        hold_out
            Whether half of the controls is held out of the profiler; see `profile`.

        Raises
        ------
        ProfilingError
            If they cannot be computed.
        """
        made = self._look_up(encoder, profiling, aggregation, hold_out)
        if made.profiles is None:
            raise ProfilingError(made.error)
        return made.profiles

    def notes(self, encoder: str, profiling: str, aggregation: Level, *, hold_out: bool = False) -> tuple[str, ...]:
        """Return what a reader must know of these profiles."""
        return self._look_up(encoder, profiling, aggregation, hold_out).notes

    def for_task(self, task: Task, encoder: str, profiling: str) -> AnnData:
        """Return the profiles that a task scores; errors as in `get`."""
        return self.get(encoder, profiling, task.aggregation, hold_out=task.needs_controls)

    def ranked(self, task: Task, encoder: str, profiling: str) -> AnnData:
        """Return the profiles that a task scores, without the controls that a profiler was fitted on."""
        profiles = self.for_task(task, encoder, profiling)
        return profiles[~profiles.obs[FITTED_ON].to_numpy()] if FITTED_ON in profiles.obs else profiles

    def make(
        self, task: Task, encoder: str, sites: AnnData, profiling: str, *, fit_on: Collection[str] | None = None
    ) -> AnnData:
        """Return profiles of changed embeddings of an encoder, without caching; parameters as in `profile`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PhenolensWarning)  # the notes of the evaluation have them
            return self._profile(encoder, sites, profiling, task.aggregation, task.needs_controls, fit_on)

    def available(
        self, encoders: Iterable[str], profiling: str, aggregation: Level, part: str
    ) -> tuple[dict[str, AnnData], list[Skipped]]:
        """Return the profiles of encoders, and which encoders were skipped because theirs cannot be computed.

        Parameters
        ----------
        encoders
            The encoders, with their seeds.
        profiling, aggregation
            As in `get`.
        part
            The part of the card that needs them, for the record of what was skipped.
        """
        found: dict[str, AnnData] = {}
        skipped: list[Skipped] = []
        for encoder in encoders:
            made = self._look_up(encoder, profiling, aggregation, hold_out=False)
            if made.profiles is None:
                skipped.append(Skipped(part, made.error, profiling=profiling, encoder=encoder))
            else:
                found[encoder] = made.profiles
        return found, skipped

    def _look_up(self, encoder: str, profiling: str, aggregation: Level, hold_out: bool) -> _Made:
        key = encoder, profiling, aggregation, hold_out
        if key not in self._made:
            self._made[key] = self._try(encoder, profiling, aggregation, hold_out)
            self._forget_oldest()
        return self._made[key]

    def _try(self, encoder: str, profiling: str, aggregation: Level, hold_out: bool) -> _Made:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", PhenolensWarning)
            try:
                profiles = self._profile(
                    encoder, self.embeddings[encoder], profiling, aggregation, hold_out, fit_on=None
                )
            except ProfilingError as error:
                return _Made(None, (), str(error))
        notes = tuple(str(each.message) for each in caught if issubclass(each.category, PhenolensWarning))
        return _Made(profiles, notes, "")

    def _profile(
        self,
        encoder: str,
        sites: AnnData,
        profiling: str,
        aggregation: Level,
        hold_out: bool,
        fit_on: Collection[str] | None,
    ) -> AnnData:
        return profile(
            sites,
            profiling,
            level=aggregation,
            batch_by=self.batch_by,
            hold_out=hold_out,
            fit_on=fit_on,
            form=self.infos[encoder].feature_type,
            seed=self.seed,
        )

    def _forget_oldest(self) -> None:
        sizes = {key: made.profiles.X.nbytes for key, made in self._made.items() if made.profiles is not None}
        total = sum(sizes.values())
        for key, size in list(sizes.items())[:-1]:
            if total <= _MOST_BYTES:
                return
            del self._made[key]
            total -= size
