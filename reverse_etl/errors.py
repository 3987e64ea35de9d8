"""What goes wrong on the way to a destination, one class per meaning."""

from warehouse.errors import KairosError


class NotConfigured(KairosError):
    """A destination misses settings; the message names every variable to set."""


class NetworkUnusable(KairosError):
    """A variable of the network, a proxy's or that of certificates, cannot be used."""


class LibraryMissing(KairosError):
    """A destination needs a library that is not installed; the message names the extra."""


class UnknownDestination(KairosError):
    """No destination has this name; the message lists those that exist."""


class LedgerUnavailable(KairosError):
    """The ledger cannot be opened or written."""


class LedgerTooNew(LedgerUnavailable):
    """A newer version of Kairos has changed the ledger's tables."""


class RequestUnusable(KairosError):
    """A setting holds what no request can carry; nothing was sent."""


class NotSent(Exception):
    """The request certainly did not reach the destination: sending again cannot repeat it."""


class OutcomeUnknown(Exception):
    """The request may have reached the destination, and no answer says whether it did."""


class AddressRefused(KairosError):
    """A target resolves to a private address, and nobody allowed that."""
