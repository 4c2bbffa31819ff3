"""Why a site could not be embedded, in one line."""

from phenolens.core.errors import PhenolensError


def failure_of(name: str, error: Exception) -> str:
    """Return in one line why something failed: our own messages as they are, others with a name and their type.

    Parameters
    ----------
    name
        What failed, a site or an encoder.
    error
        What was raised.

    Examples
    --------
    >>> failure_of("cell-count", ZeroDivisionError("division by zero"))
    'cell-count: failed for this image (ZeroDivisionError: division by zero)'
    """
    if isinstance(error, PhenolensError):
        return str(error)
    said = " ".join(str(error).split())[:160]
    kind = type(error).__name__
    return f"{name}: failed for this image ({kind}: {said})" if said else f"{name}: failed for this image ({kind})"
