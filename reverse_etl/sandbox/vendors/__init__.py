"""The stand-ins, one module each: a new one is its module and its line here."""

from reverse_etl.sandbox.vendor import Vendor
from reverse_etl.sandbox.vendors.appcues import Appcues
from reverse_etl.sandbox.vendors.webhook import Webhook

VENDORS: tuple[type[Vendor], ...] = (Webhook, Appcues)
