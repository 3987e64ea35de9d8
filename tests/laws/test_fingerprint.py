"""What the tables depend on is in the fingerprint that says whether they are still right."""

import re
from collections.abc import Iterator

from warehouse.home import PROJECT

FOLDERS = ("staging", "events", "sessions", "signals", "scores")
ABOUT_THE_RUN = {"as_of", "is_state_looked_up"}
"""Variables that say when or how a run works, not what comes of it."""

MACRO = re.compile(r"{%-? *macro +(\w+)(.*?)endmacro", re.DOTALL)
VARIABLE = re.compile(r"""\bvar\(\s*['"](\w+)['"]""")
WORD = re.compile(r"\w+")


def macros() -> dict[str, str]:
    """Return the body of every macro by its name; of one per adapter, all bodies together."""
    bodies: dict[str, str] = {}
    for path in sorted((PROJECT / "macros").rglob("*.sql")):
        for name, body in MACRO.findall(path.read_text()):
            name = name.rsplit("__", 1)[-1]
            bodies[name] = bodies.get(name, "") + body
    return bodies


def texts() -> Iterator[str]:
    """Yield the models up to the scores, and every macro that they use."""
    bodies = macros()
    pending = [
        path.read_text()
        for folder in FOLDERS
        for path in sorted((PROJECT / "models" / folder).rglob("*.sql"))
    ]
    while pending:
        text = pending.pop()
        yield text
        used = bodies.keys() & set(WORD.findall(text))
        pending += [bodies.pop(name) for name in sorted(used)]


def test_every_variable_that_the_tables_depend_on_is_in_the_fingerprint() -> None:
    fingerprint = macros()["fingerprint"]
    [listed] = re.findall(r"for name in \[(.*?)\]", fingerprint, re.DOTALL)

    read = {name for text in texts() for name in VARIABLE.findall(text)} - ABOUT_THE_RUN

    assert read == set(re.findall(r"\w+", listed))
    assert "mixpanel_time_zone" in read
