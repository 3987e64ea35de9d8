"""Dealing people out to arms and holdouts: the same in Python as in `macros/assignment.sql`."""

FNV_OFFSET = 2166136261
FNV_PRIME = 16777619
PLACES = 10_000


def fnv1a32(text: str) -> int:
    """Hash text with FNV-1a, 32 bits, over its code points."""
    value = FNV_OFFSET
    for letter in text:
        value = ((value ^ ord(letter)) * FNV_PRIME) & 0xFFFFFFFF
    return value


def assigned_place(seed: str, unit: str) -> float:
    """Return where a unit falls in [0, 1), in steps of a ten-thousandth.

    The same unit under the same seed is always at the same place.
    """
    return fnv1a32(str(fnv1a32(seed + unit))) % PLACES / PLACES
