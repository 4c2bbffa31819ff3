"""YAML of limited size: small files that would grow to gigabytes, or take for ever, are refused at once."""

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_MOST_BYTES = 2**18
_MOST_EXPANDED = 2**20  # characters and entries, after every alias is replaced by what it stands for
_DEEPEST = 50
_LONGEST_NUMBER = 40


class _Loader(yaml.SafeLoader):
    """A safe loader that leaves dates as text, and limits what is left to Python."""

    def construct_number(self, node: ScalarNode) -> int | float:
        """Return a number; numbers of many digits take long to convert, and no setting is that large."""
        if len(node.value) > _LONGEST_NUMBER:
            raise ValueError(f"line {node.start_mark.line + 1}: a number of {len(node.value)} digits")
        if node.tag == _INTEGER:
            return int(self.construct_yaml_int(node))
        return float(self.construct_yaml_float(node))


_INTEGER, _FLOAT, _TIME = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
_Loader.add_constructor(_INTEGER, _Loader.construct_number)
_Loader.add_constructor(_FLOAT, _Loader.construct_number)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != _TIME]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(content: bytes) -> Any:
    """Return what YAML holds.

    Raises
    ------
    ValueError
        If it is too large, also after its aliases have been replaced, nested too deeply, or not UTF-8.
    yaml.YAMLError
        If it is not valid.

    Examples
    --------
    >>> load_yaml(b"{name: x, day: 2024-05-01, seeds: 3}")
    {'name': 'x', 'day': '2024-05-01', 'seeds': 3}
    """
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{len(content)} bytes are too many for a recipe; the most are {_MOST_BYTES}")
    loader = _Loader(content.decode())
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded_size(node, {}, 0) > _MOST_EXPANDED:
            raise ValueError("its aliases stand for too much; write out what they stand for")
        return loader.construct_document(node)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    finally:
        loader.dispose()


def _expanded_size(node: Node, known: dict[int, int], depth: int) -> int:
    """Return the number of characters and entries below a node; each node is counted once and added where it stands."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply, or contains itself")
    if id(node) not in known:
        size = 1
        if isinstance(node, ScalarNode):
            size += len(node.value)
        elif isinstance(node, SequenceNode):
            size += sum(_expanded_size(item, known, depth + 1) for item in node.value)
        elif isinstance(node, MappingNode):
            size += sum(_expanded_size(item, known, depth + 1) for pair in node.value for item in pair)
        known[id(node)] = size
    return known[id(node)]
