"""The grammar of names with options: ``NAME@option=value,option=value``."""

from typing import NamedTuple


class Spec(NamedTuple):
    """A parsed name.

    Attributes
    ----------
    name
        The part before the ``@``.
    options
        Pairs of option and value, in the given order.
    """

    name: str
    options: tuple[tuple[str, str], ...]


def parse_spec(text: str) -> Spec:
    """Parse ``NAME@option=value,option=value``.

    Raises
    ------
    ValueError
        If a part after the ``@`` is not ``option=value``, or repeats an option; the message is only that part.

    Examples
    --------
    >>> parse_spec("untrained/resnet18@mixing=concat,seed=1")
    Spec(name='untrained/resnet18', options=(('mixing', 'concat'), ('seed', '1')))
    >>> parse_spec("tvn").options
    ()
    """
    name, _, rest = text.partition("@")
    options: dict[str, str] = {}
    for part in rest.split(",") if rest else ():
        option, value = parse_option(part)
        if option in options:
            raise ValueError(part)
        options[option] = value
    return Spec(name, tuple(options.items()))


def parse_option(text: str) -> tuple[str, str]:
    """Parse ``option=value``; neither part may be empty, and the value may contain equals signs.

    Raises
    ------
    ValueError
        If it is not ``option=value``; the message is the text.

    Examples
    --------
    >>> parse_option("seed=1")
    ('seed', '1')
    """
    option, _, value = text.partition("=")
    if not option or not value:
        raise ValueError(text)
    return option, value
