"""The guard against mass removal: a broken model must not empty an audience."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from warehouse.errors import KairosError

MAX_REMOVAL_PCT = 30.0
FEW = 10
"""So many people may leave an audience at once whatever its size."""


@dataclass(frozen=True)
class HeldBack:
    """An audience whose removals are not sent."""

    object_key: str
    member_count: int
    removal_count: int

    def sentence(self, destination: str) -> str:
        """Say what was held back and how to let it go."""
        share = 100 * self.removal_count / max(self.member_count, self.removal_count)
        return (
            f"{destination}: {self.removal_count:,} of {self.member_count:,} members "
            f"({share:.0f} %) would leave audience {self.object_key}: removals held back; "
            "check the audience's model, then run with --allow-mass-removal"
        )


def max_removal_pct(env: Mapping[str, str]) -> float:
    """Read the share of an audience that may leave at once, from KAIROS_MAX_REMOVAL_PCT."""
    text = env.get("KAIROS_MAX_REMOVAL_PCT") or str(MAX_REMOVAL_PCT)
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise KairosError(f"KAIROS_MAX_REMOVAL_PCT is {text!r}: set it to a number from 0 to 100")
    return share


def held_back(
    connection: duckdb.DuckDBPyConnection, destination: str, removal_pct: float
) -> list[HeldBack]:
    """Find audiences of which the plan removes more than the share, or everybody.

    Members are counted from what the destination acknowledged, as the warehouse knows it. Who is
    out already and is only removed again, in a full resync, does not count.
    """
    rows = connection.execute(
        """
        with members as (
            select object_key, count(*) as member_count
            from kairos.sync_state
            where destination = $destination and kind = 'audience' and is_present
            group by object_key
        ),

        removals as (
            select sync_plan.object_key, count(*) as removal_count
            from kairos.sync_plan
            left join kairos.sync_state
                on
                    sync_plan.destination = sync_state.destination
                    and sync_plan.kind = sync_state.kind
                    and sync_plan.object_key = sync_state.object_key
                    and sync_plan.user_key = sync_state.user_key
            where
                sync_plan.destination = $destination
                and sync_plan.kind = 'audience'
                and sync_plan.operation = 'remove'
                and coalesce(sync_state.is_present, true)
            group by sync_plan.object_key
        )

        select removals.object_key, coalesce(members.member_count, 0), removals.removal_count
        from removals
        left join members on removals.object_key = members.object_key
        order by removals.object_key
        """,
        {"destination": destination},
    ).fetchall()
    return [HeldBack(*row) for row in rows if _is_too_much(row[1], row[2], removal_pct)]


def _is_too_much(member_count: int, removal_count: int, removal_pct: float) -> bool:
    if removal_count <= FEW:
        return False
    return removal_count >= member_count or removal_count * 100 > member_count * removal_pct
