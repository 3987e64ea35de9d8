"""Does a destination know the audiences and fields that the mapping names? It is asked."""

from collections.abc import Iterator, Mapping

from kairos.doctor.check import Check, fail, ok, warn
from kairos.doctor.rows import ATTRIBUTES, AUDIENCES, Project
from reverse_etl import destinations
from reverse_etl.destinations.base import Destination, Lookup, Verdict
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotSent, OutcomeUnknown
from warehouse.errors import KairosError


def ask_about_mapping(name: str, env: Mapping[str, str], project: Project) -> Iterator[Check]:
    """Ask one destination, by requests that change nothing; silent where its API does not say.

    Silent also about a seed that cannot be read, which `check_mapping` has said already. Raises
    `KairosError` for missing settings.
    """
    target = destinations.find(name).from_env(env)
    try:
        audiences = {row["audience_key"]: row.place for row in project.mapped(AUDIENCES, name)}
        fields = {row["destination_field"]: row.place for row in project.mapped(ATTRIBUTES, name)}
    except KairosError:
        return
    lookups = list(target.lookups(list(audiences), list(fields)))
    if not lookups:
        return
    transport = target.transport()
    try:
        for subject, places in ((ATTRIBUTES, fields), (AUDIENCES, audiences)):
            asked = [lookup for lookup in lookups if lookup.kind is subject.kind]
            found = [
                check
                for lookup in asked
                for check in _ask(target, transport, lookup, subject.name, places)
            ]
            yield from found
            if asked and not found:
                names = ", ".join(name for lookup in asked for name in lookup.names)
                yield ok(subject.name, f"{target.name} knows {names}")
    finally:
        transport.close()


def _ask(
    target: Destination,
    transport: Transport,
    lookup: Lookup,
    subject: str,
    places: Mapping[str, str],
) -> Iterator[Check]:
    faults = _faults(target, transport, lookup)
    if isinstance(faults, str):
        names = ", ".join(lookup.names)
        yield warn(subject, f"{target.name} could not be asked whether it knows {names}: {faults}")
        return
    say = fail if lookup.is_needed else warn
    for name, fault in faults.items():
        yield say(subject, f"{places[name]} ({name}): {target.name} {fault}")


def _faults(target: Destination, transport: Transport, lookup: Lookup) -> Mapping[str, str] | str:
    """Give what is wrong, by our names, or why that could not be learnt."""
    try:
        response = transport.send(lookup.request)
    except (NotSent, OutcomeUnknown) as error:
        return f"{error}: try later"
    if response.status == 404 and lookup.absent:
        return dict.fromkeys(lookup.names, lookup.absent)
    verdict = target.verdict(response)
    if verdict is Verdict.READ:
        try:
            return lookup.faults(response.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            return "its answer cannot be understood"
    if verdict is Verdict.MISCONFIGURED:
        return f"status {response.status}: give our key the right to read that"
    return f"status {response.status}: try later, or look there yourself"
