"""Every destination by its name: one module each, found by looking, imported when used."""

from importlib import import_module
from pkgutil import iter_modules

from reverse_etl.destinations.base import Destination
from reverse_etl.errors import UnknownDestination

_NOT_DESTINATIONS = {"base"}


def names() -> list[str]:
    """The name of each destination, which is the name of its module."""
    return sorted(
        module.name
        for module in iter_modules(__path__)
        if module.name not in _NOT_DESTINATIONS and not module.name.startswith("_")
    )


def find(name: str) -> type[Destination]:
    """The class of a destination; UnknownDestination lists those that exist."""
    if name not in names():
        raise UnknownDestination(
            f"there is no destination {name!r}: choose one of {', '.join(names())}"
        )
    module = import_module(f"{__name__}.{name}")
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Destination)
            and value.__dict__.get("name") == name
        ):
            return value
    raise UnknownDestination(f"reverse_etl/destinations/{name}.py defines no class named {name!r}")
