"""Errors and warnings of Phenolens, whose messages are one line that names the culprit and the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class PhenolensError(Exception):
    """An expected failure; the message says in one line what was found, what was expected, and what to do."""


class ManifestError(PhenolensError):
    """A manifest violates its schema or names missing images."""


class ImageError(PhenolensError):
    """An image cannot be read, or does not fit what is needed."""


class EncoderError(PhenolensError):
    """An encoder does not exist, lacks its weights, or cannot take the given images."""


class EmbeddingError(PhenolensError):
    """Embeddings cannot be computed, read or matched to their metadata."""


class ProfilingError(PhenolensError):
    """Profiles cannot be computed from the given embeddings."""


class TrainingError(PhenolensError):
    """A network cannot be trained, or its training cannot be resumed."""


class RecipeError(PhenolensError):
    """A recipe violates its schema."""


class TaskNotApplicable(PhenolensError):
    """A task cannot be scored on the given data; the message gives the reason."""


class PhenolensWarning(UserWarning):
    """Something was handled in a way that users should know of."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to `name`, or the known names if none is.

    Parameters
    ----------
    name
        The name that was given.
    known
        The known names.
    """
    known = list(known)
    # Wrong case is common, and difflib counts it as a different letter.
    by_lower = {each.lower(): each for each in known}
    close = [by_lower[each] for each in get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)]
    return f"; did you mean '{close[0]}'?" if close else f"; there is: {', '.join(known) or 'nothing'}"


def reason_of(error: BaseException) -> str:
    r"""Return the message of an error of another library in one line, or the kind of error if it has none.

    Parameters
    ----------
    error
        The error.

    Examples
    --------
    >>> reason_of(ValueError("no such block\nsee above")), reason_of(MemoryError())
    ('no such block', 'MemoryError')
    """
    lines = [line.strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)
