"""Stand-ins for the HTTP destinations, on loopback: `with Sandbox() as sandbox`."""

from reverse_etl.sandbox.server import Sandbox

__all__ = ["Sandbox"]
