"""The stand-ins, one module each: a new one is its module and its line here."""

from reverse_etl.sandbox.vendor import Vendor
from reverse_etl.sandbox.vendors.amplitude import Amplitude
from reverse_etl.sandbox.vendors.appcues import Appcues
from reverse_etl.sandbox.vendors.braze import Braze
from reverse_etl.sandbox.vendors.customerio import CustomerIo
from reverse_etl.sandbox.vendors.intercom import Intercom
from reverse_etl.sandbox.vendors.iterable import Iterable
from reverse_etl.sandbox.vendors.launchdarkly import LaunchDarkly
from reverse_etl.sandbox.vendors.mixpanel import Mixpanel
from reverse_etl.sandbox.vendors.pendo import Pendo
from reverse_etl.sandbox.vendors.segment import Segment
from reverse_etl.sandbox.vendors.split import Split
from reverse_etl.sandbox.vendors.webhook import Webhook

VENDORS: tuple[type[Vendor], ...] = (
    *(Webhook, Appcues, Pendo, Iterable, Segment, LaunchDarkly, Split),
    *(Mixpanel, Amplitude, CustomerIo, Braze, Intercom),
)
