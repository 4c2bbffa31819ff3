"""Basics for all packages: errors, randomness by name, atomic files, names with options, plug-ins."""
