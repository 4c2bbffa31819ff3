"""The one grammar of what is made with options: ``NAME@option=value,option=value``."""

from typing import NamedTuple


class Spec(NamedTuple):
    """A name taken apart.

    Attributes
    ----------
    name
        What stands before the ``@``.
    options
        Option and value of each, in the order written.
    """

    name: str
    options: tuple[tuple[str, str], ...]


def parse_spec(text: str) -> Spec:
    """Take ``NAME@option=value,option=value`` apart.

    Raises
    ------
    ValueError
        If a part behind the ``@`` is no ``option=value``, or names an option again; its message is that part alone,
        for the caller says what the name is of.

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
    """Take ``option=value`` apart; neither side is empty, and the value may hold further equals signs.

    Raises
    ------
    ValueError
        If it is none; its message is the text.

    Examples
    --------
    >>> parse_option("seed=1")
    ('seed', '1')
    """
    option, _, value = text.partition("=")
    if not option or not value:
        raise ValueError(text)
    return option, value
