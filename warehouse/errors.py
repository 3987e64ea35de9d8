"""What goes wrong, in words for the person who can mend it."""


class KairosError(Exception):
    """Something could not be done; the message says what, where, and what to do about it."""


class WarehouseLocked(KairosError):
    """Another process holds the warehouse file."""
