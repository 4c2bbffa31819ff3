"""Whether encoders ``python:PACKAGE.MODULE:FUNCTION``, which run code, are allowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from phenolens.core.errors import EncoderError
from phenolens.encoders.registry import COUNTERPART

PYTHON = "python:"

# A recipe may come from a stranger, and importing a module runs it.
_allowed: ContextVar[bool] = ContextVar("phenolens_code_allowed", default=False)


@contextmanager
def allow_code(allowed: bool = True) -> Iterator[None]:
    """Allow encoders ``python:PACKAGE.MODULE:FUNCTION``, which run code, within a ``with`` block.

    Parameters
    ----------
    allowed
        Whether to allow them.

    Examples
    --------
    >>> with allow_code():
    ...     refuse_code("python:my_models:vit")
    """
    before = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(before)


def refuse_code(name: str) -> None:
    """Refuse the name of an encoder that runs code, unless that is allowed.

    Raises
    ------
    EncoderError
        If it does and is not; the message names the flag.
    """
    if name.removeprefix(COUNTERPART).startswith(PYTHON) and not _allowed.get():
        raise EncoderError(
            f"'{name}' runs Python code; if you trust it, allow it by --allow-code (in Python: with "
            "phenolens.allow_code())"
        )
