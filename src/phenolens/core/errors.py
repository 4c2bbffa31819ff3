"""The errors that Phenolens raises on purpose: one line, naming the culprit and the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class PhenolensError(Exception):
    """A stated failure; the message is one line that says what was found, expected, and what to do."""


class ManifestError(PhenolensError):
    """A manifest breaks its schema or names images that are not there."""


class ImageError(PhenolensError):
    """An image cannot be read, or is not what was asked for."""


class EncoderError(PhenolensError):
    """An encoder does not exist, lacks its weights, or cannot take the images given."""


class EmbeddingError(PhenolensError):
    """Embeddings cannot be made, read or matched to their metadata."""


class ProfilingError(PhenolensError):
    """Profiles cannot be computed from the embeddings at hand."""


class TrainingError(PhenolensError):
    """A network cannot be trained, or its training cannot go on."""


class RecipeError(PhenolensError):
    """A recipe breaks its schema."""


class TaskNotApplicable(PhenolensError):
    """A task cannot be answered with the data at hand; the message says why."""


class PhenolensWarning(UserWarning):
    """Something was handled in a way the user should know of."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to `name`, or the known names if none is.

    Parameters
    ----------
    name
        What was asked for.
    known
        What there is.
    """
    known = list(known)
    # Case is a common slip, and difflib takes it for a different letter.
    by_lower = {each.lower(): each for each in known}
    close = [by_lower[each] for each in get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)]
    return f"; did you mean '{close[0]}'?" if close else f"; there is: {', '.join(known) or 'nothing'}"
