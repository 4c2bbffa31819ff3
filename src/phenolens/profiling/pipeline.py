"""Profilers by name, applied one after another: ``robust-z@on=all+inverse-normal``."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, did_you_mean
from phenolens.core.parse_numbers import numbers_and_text
from phenolens.core.plugins import Registry
from phenolens.core.renamed import current_name
from phenolens.core.spec import parse_spec
from phenolens.profiling.arm_centre import ArmCentre, GeneArms
from phenolens.profiling.controls import ControlProfiler
from phenolens.profiling.inverse_normal import InverseNormal
from phenolens.profiling.pca_centre_scale import PCACentreScale
from phenolens.profiling.random_fourier_features import RandomFourierFeatures
from phenolens.profiling.regress_out import RegressOut
from phenolens.profiling.scaling import BatchCentre, RobustZ
from phenolens.profiling.sphering import Sphering
from phenolens.profiling.tvn import TVN

RAW = "raw"

_BUILT_IN: dict[str, type[ControlProfiler]] = {
    "tvn": TVN,
    "pca-centre-scale": PCACentreScale,
    "sphering": Sphering,
    "robust-z": RobustZ,
    "batch-centre": BatchCentre,
    "inverse-normal": InverseNormal,
    "regress-out": RegressOut,
    "arm-centre": ArmCentre,
    "random-fourier-features": RandomFourierFeatures,
}


def _accept(point: EntryPoint, loaded: Any) -> type[ControlProfiler]:
    """Return the profiler class that a package registers, if it is one."""
    if not (isinstance(loaded, type) and issubclass(loaded, ControlProfiler)):
        raise TypeError(f"{point.value} is not a subclass of phenolens.profiling.ControlProfiler")
    return loaded


PROFILERS: Registry[type[ControlProfiler]] = Registry(
    "profiling", "phenolens.profilers", _BUILT_IN, _accept, ProfilingError
)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a profiling pipeline.

    Attributes
    ----------
    profiler
        The transformer, not yet fitted.
    on_controls
        Whether it is fitted on negative controls, else on all rows.
    covariates
        The metadata columns to regress out.
    arms
        Where the chromosome arms of genes are written, for what is centred on these; else None.
    """

    profiler: ControlProfiler
    on_controls: bool
    covariates: tuple[str, ...] = ()
    arms: GeneArms | None = None

    def apply(
        self, x: NDArray[Any], controls: NDArray[np.bool_], batch: NDArray[Any], obs: pd.DataFrame
    ) -> NDArray[Any]:
        """Fit on the rows `x` (n, d), and return their profiles (n, k).

        Raises
        ------
        ProfilingError
            If a covariate is not a column of numbers, there is no column of chromosome arms, or fitting fails.
        """
        known: dict[str, Any] = {"controls": controls if self.on_controls else None, "batch": batch}
        if self.covariates:
            known["covariates"] = self._look_up(obs)
        if self.arms is not None:
            known["genes"] = self.arms.look_up(obs)
        return self.profiler.fit_transform(x, **known)

    def _look_up(self, obs: pd.DataFrame) -> NDArray[np.float64]:
        """Return the covariates (n, c) of rows."""
        found = []
        for column in self.covariates:
            if column not in obs:
                raise ProfilingError(f"no column '{column}' to regress out{did_you_mean(column, obs.columns)}")
            numbers, text = numbers_and_text(obs[column])
            if text is not None:
                raise ProfilingError(f"column '{column}' to regress out holds '{text}', which is no number")
            found.append(numbers)
        return np.stack(found, axis=1)


def parse_profiling(profiling: str) -> list[Step]:
    """Return the steps of a profiling; none for ``raw``.

    Steps are joined by ``+``; options of a step follow ``@``, joined by commas. Profilers that are fitted on negative
    controls take ``on=all`` to be fitted on all rows instead. ``regress-out`` takes ``covariates=column:column``, and
    ``arm-centre`` the entries of `GeneArms`: ``arm``, ``genes``, ``expression`` and ``below``.

    Raises
    ------
    ProfilingError
        If there is no such profiler or option.

    Examples
    --------
    >>> [type(step.profiler).__name__ for step in parse_profiling("sphering@method=zca-cor+inverse-normal")]
    ['Sphering', 'InverseNormal']
    """
    return [] if profiling == RAW else [_parse_step(step) for step in profiling.split("+")]


def _parse_step(text: str) -> Step:
    try:
        name, given = parse_spec(text.strip())
    except ValueError as error:
        raise ProfilingError(f"profiling '{text}': expected each option once as name=value, found '{error}'") from error
    name = current_name("profiling", name)
    if name not in PROFILERS:
        raise ProfilingError(f"no profiling '{name}'{did_you_mean(name, [RAW, *PROFILERS])}")
    options = dict(given)
    profiler = PROFILERS[name]()
    on = options.pop("on", "controls")
    if on not in ("controls", "all"):
        raise ProfilingError(f"profiling '{text}': on must be 'controls' or 'all', found '{on}'")
    takes_covariates = isinstance(profiler, RegressOut)
    covariates = tuple(filter(None, options.pop("covariates", "").split(":"))) if takes_covariates else ()
    if takes_covariates and not covariates:
        raise ProfilingError(f"profiling '{text}': name the covariates, as in regress-out@covariates=cell_count")
    arms = _parse_arms(options) if isinstance(profiler, ArmCentre) else None
    known = profiler.get_params()
    for key, value in options.items():
        if key not in known:
            raise ProfilingError(f"profiling '{name}' has no option '{key}'{did_you_mean(key, ['on', *known])}")
        profiler.set_params(**{key: _number_or_text(value)})
    return Step(profiler, profiler.uses_controls and on == "controls", covariates, arms)


def _parse_arms(options: dict[str, str]) -> GeneArms:
    """Take what names chromosome arms out of the options of a step."""
    taken: dict[str, Any] = {name: options.pop(name) for name in ("arm", "expression") if name in options}
    if "genes" in options:
        taken["genes"] = Path(options.pop("genes"))
    if "below" in options:
        below = _number_or_text(options.pop("below"))
        if isinstance(below, str):
            raise ProfilingError(f"arm-centre: below must be a number, found '{below}'")
        taken["below"] = below
    return GeneArms(**taken)


def _number_or_text(value: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
