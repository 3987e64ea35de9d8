"""A small world in which the compiled trigger models decide, without dbt and in milliseconds."""

from datetime import UTC, datetime
from typing import Any

import duckdb

from warehouse.compiled import CompiledProject, Model, create_histories, load_seed, run_models
from warehouse.landing import ensure_raw

INPUTS = {
    "signals": "signal_id varchar, session_id varchar, actor_id varchar, user_key varchar, "
    "signal_name varchar, detected_at timestamp, value double, threshold double, "
    "threshold_version varchar, is_escalated boolean, is_applicable boolean, "
    "not_applicable_reason varchar, page_url varchar, evidence varchar",
    "users": "user_key varchar, account_id varchar, email_hash varchar, segment varchar, "
    "time_zone varchar, locale varchar, signed_up_at timestamp, consents varchar, traits varchar, "
    "updated_at timestamp",
    "events": "event_id varchar, actor_id varchar, user_key varchar, user_id varchar, "
    "anonymous_id varchar, event_name varchar, event_at timestamp, page_url varchar, "
    "properties varchar",
    "intent_scores": "session_id varchar, actor_id varchar, user_key varchar, scored_at timestamp, "
    "score double, band varchar, model_version varchar, components varchar",
    "session_bot_evidence": "session_id varchar, reason varchar, bot_from_at timestamp, "
    "bot_until_at timestamp",
    "known_people": "user_key varchar",
    "trigger_moments": "trigger_name varchar, user_key varchar, session_id varchar, "
    "moment_at timestamp, evidence varchar",
}
"""What deciding reads of the words before it; the moments stand in for the rules."""

CONFIGURATION = (
    *("triggers", "tiers", "fatigue_caps", "quiet_hours", "experiments", "experiment_arms"),
    *("holdouts", "suppressed_users", "content", "destinations"),
)

TRIGGER = {
    "tier": "low",
    "priority": 50,
    "channel": "in_app",
    "tags": None,
    "destination": "webhook",
    "content_key": "any",
    "delay_seconds": 0,
    "expiry_seconds": None,
    "cooldown_seconds": 0,
    "re_eligible_after_seconds": 0,
    "on_capped": "drop",
    "exit_events": None,
    "bypass_caps": False,
    "counts_toward_caps": True,
    "experiment": None,
    "is_enabled": True,
}

CAP = {
    "scope": "all",
    "scope_value": "*",
    "window_kind": "rolling",
    "window_seconds": 86400,
    "time_zone": "user",
    "maximum": 1,
    "is_enabled": True,
}


def at(text: str) -> datetime:
    """Read `2026-01-05 09:00` as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class World:
    """Configuration and moments, and the decisions that come of them."""

    def __init__(self, project: CompiledProject) -> None:
        self.project = project
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'; create schema kairos")
        ensure_raw(self.connection)
        for name, columns in INPUTS.items():
            self.connection.execute(f"create table kairos.{name} ({columns})")
        for name in CONFIGURATION:
            load_seed(self.connection, project.models[name], project.models[name].seed_path)
            self.connection.execute(f"delete from kairos.{name} where '{name}' != 'tiers'")
        self.insert(
            "destinations", {"destination": "webhook", "unknown_policy": "skip", "is_enabled": True}
        )
        self.insert("content", {"content_key": "any", "segment": "*", "arm": "*", "payload": "{}"})
        self.models = project.between(
            [*INPUTS, *CONFIGURATION], ["trigger_decisions", "current_decisions"]
        )
        create_histories(self.connection, self.models)
        self.person("ann")

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            schema = table if "." in table else f"kairos.{table}"
            values = [
                v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in row.values()
            ]
            self.connection.execute(f"insert into {schema} ({names}) values ({marks})", values)

    def seed(self, name: str) -> None:
        """Load a seed as it is shipped."""
        model = self.project.models[name]
        load_seed(self.connection, model, model.seed_path)

    def trigger(self, name: str, **settings: Any) -> None:
        self.insert("triggers", {"trigger_name": name, **TRIGGER, **settings})

    def cap(self, name: str, **settings: Any) -> None:
        self.insert("fatigue_caps", {"cap_name": name, **CAP, **settings})

    def person(self, user_key: str, **facts: Any) -> None:
        self.insert("users", {"user_key": user_key, **facts})
        self.insert("known_people", {"user_key": user_key})

    def moment(
        self, trigger: str, when: datetime, user: str | None = "ann", session: str = "s"
    ) -> None:
        self.insert(
            "trigger_moments",
            {"trigger_name": trigger, "user_key": user, "session_id": session, "moment_at": when},
        )

    def operation(
        self, sequence: int, decision_id: str, state: str, when: datetime, number: int = 1
    ) -> None:
        """Let the ledger report a change of one of ann's messages."""
        self.insert(
            "raw.sync_operations",
            {
                "sequence": sequence,
                "operation_id": f"operation {number}",
                "decision_id": decision_id,
                "kind": "moment",
                "user_key": "ann",
                "state": state,
                "planned_at": when,
                "loaded_at": when,
                "scope": '{"trigger_name": "tip", "session_id": "s", "tags": ["help", "pause"]}',
                "counts_toward_caps": True,
            },
        )

    def decide(self, as_of: datetime) -> list[dict[str, Any]]:
        """Decide at an instant and return the rows that this added."""
        before = self.count("trigger_decisions")
        self.run(self.models, as_of)
        return self.rows(
            "select * from (select *, rowid as position from kairos.trigger_decisions) "
            f"where position >= {before} order by trigger_name, moment_at, user_key"
        )

    def run(self, models: list[Model], as_of: datetime) -> None:
        """Build some models, as dbt would."""
        self.connection.execute("begin")
        run_models(self.connection, models, as_of)
        self.connection.execute("commit")

    def outcomes(self, as_of: datetime) -> list[str]:
        """Decide, and return only what became of each candidate, by trigger and moment."""
        return [row["outcome"] for row in self.decide(as_of)]

    def sent(self, trigger: str, when: datetime, user: str = "ann", session: str = "s") -> bool:
        """Whether a moment that is decided at once is sent."""
        self.moment(trigger, when, user, session)
        return [row["outcome"] for row in self.decide(when)][-1:] == ["send"]

    def count(self, table: str) -> int:
        return self.rows(f"select count(*) as n from kairos.{table}")[0]["n"]

    def rows(self, query: str) -> list[dict[str, Any]]:
        relation = self.connection.execute(query)
        names = [column[0] for column in relation.description]
        return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
