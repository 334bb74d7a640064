"""Mutual TLS modes and how a minimum bounds them.

Law: a mode is settled once, here; nobody else compares levels.
"""

import enum


class Mode(enum.Enum):
    """How a service receives: in clear, either way, or only by mutual TLS."""

    DISABLED = "DISABLED"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"

    @property
    def level(self) -> int:
        """0, 1 or 2: a higher level is stricter."""
        return _LEVELS[self]


_LEVELS = {Mode.DISABLED: 0, Mode.PERMISSIVE: 1, Mode.STRICT: 2}

DEFAULT_MINIMUM = Mode.STRICT
"""The minimum of a Mesh that names none."""


def satisfies(mode: Mode, minimum: Mode) -> bool:
    """Return whether a service of this mode may live in a mesh of this minimum."""
    return mode.level >= minimum.level


def effective(mode: Mode | None, minimum: Mode) -> Mode:
    """Return the mode that is applied: the wished one, never below the minimum; the minimum where none is wished."""
    return mode if mode is not None and satisfies(mode, minimum) else minimum
