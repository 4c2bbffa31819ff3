"""The parts of a diagnosis."""
