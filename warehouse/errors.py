"""What goes wrong, in words for the person who can mend it."""


class KairosError(Exception):
    """Something could not be done; the message says what, where, and what to do about it."""


class WarehouseMissing(KairosError):
    """There is no warehouse file yet."""


class WarehouseLocked(KairosError):
    """Another process holds the warehouse file."""


class WarehouseUnusable(KairosError):
    """The warehouse file is damaged, forbidden, or on a disk that is full."""
