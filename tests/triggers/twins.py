"""The oracle and the warehouse side by side: whatever happens, happens to both."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from tests.triggers.oracle import Limit, Message, Moment, Oracle, Person
from tests.triggers.world import World


class Twins:
    """Two deciders under one configuration, who must never differ."""

    def __init__(self, oracle: Oracle, world: World, crowd: Collection[Person]) -> None:
        self.oracle = oracle
        self.world = world
        self.moments: set[Moment] = set()
        self.decided: dict[Moment, dict[str, Any]] = {}
        self.sequence = 0
        for person in crowd:
            self._meet(person)
        self._configure()

    def moment(self, moment: Moment, in_another_tab: bool = False) -> None:
        """Let a rule find a moment, and perhaps find it twice."""
        self.moments.add(moment)
        sessions = [moment.session, f"{moment.session} too"] if in_another_tab else [moment.session]
        for session in sessions:
            self.world.moment(moment.trigger, moment.when, moment.person.user_key, session)

    def retract(self, moment: Moment) -> None:
        """Let late data take back a moment that waits."""
        if moment in self.oracle.waiting:
            self.oracle.retracted.add(moment)
            self._execute(
                "delete from kairos.trigger_moments "
                "where trigger_name = ? and user_key = ? and moment_at = ?",
                *_key(moment),
            )

    def happened(self, person: Person, name: str, when: datetime) -> None:
        """Let somebody do something."""
        self.oracle.happened.append((person, name, when))
        row = {"user_key": person.user_key, "event_name": name, "event_at": when}
        self.world.insert("events", row)

    def scored(self, session: str, when: datetime, score: float) -> None:
        """Let a session have a score from an instant on."""
        self.oracle.scores.setdefault(session, []).append((when, score))
        row = {"session_id": session, "scored_at": when, "score": score, "model_version": "1"}
        self.world.insert("intent_scores", row)

    def looked_like_a_bot(self, session: str, start: datetime, end: datetime) -> None:
        """Let a session look like a bot's for a while."""
        self.oracle.bots[session] = (start, end)
        row = {"session_id": session, "reason": "x", "bot_from_at": start, "bot_until_at": end}
        self.world.insert("session_bot_evidence", row)

    def suppressed(self, person: Person, channel: str, since: datetime) -> None:
        """Put somebody on the suppression list."""
        self.oracle.suppressed[person] = (channel, since)
        row = {"user_key": person.user_key, "channel": channel, "reason": "asked"}
        self.world.insert("suppressed_users", {**row, "suppressed_from": since})

    def retag(self, trigger: str, tags: str) -> None:
        """Give a trigger other tags from now on."""
        self.oracle.triggers[trigger] = {**self.oracle.triggers[trigger], "tags": tags}
        self._execute("update kairos.triggers set tags = ? where trigger_name = ?", tags, trigger)

    def share(self, control: float) -> None:
        """Give the control another share from now on."""
        self.oracle.control_share = control
        self._execute("update kairos.experiment_arms set bucket_to = ?", control)

    def reserve(self, trigger: str, person: Person, session: str, when: datetime) -> None:
        """Let the ledger tell of a message that was sent without the warehouse."""
        settings = self.oracle.triggers[trigger]
        moment = Moment(trigger, person, session, when)
        self.oracle.messages.append(Message(moment, settings, when, False))
        scope = {
            "trigger_name": trigger,
            "session_id": session,
            "account_id": person.account_id,
            "tier": settings["tier"],
            "channel": settings["channel"],
            "tags": settings["tags"].split("|") if settings["tags"] else None,
        }
        self._report(
            f"reserved {self.sequence}",
            "reserved",
            when,
            user_key=person.user_key,
            scope=json.dumps(scope),
            counts_toward_caps=settings["counts_toward_caps"],
        )

    def answer(self, moment: Moment, state: str, when: datetime) -> None:
        """Let the platform answer a message; what it rejects gives its place back."""
        if state == "rejected":
            self.oracle.messages = [m for m in self.oracle.messages if m.moment != moment]
        row = self.decided[moment]
        self._report(row["decision_id"], state, when, user_key=row["user_key"])

    def decide(self, now: datetime) -> list[Moment]:
        """Let both decide, check that they agree, and return what was sent."""
        rows = self.world.decide(now)
        actual = {(r["trigger_name"], r["user_key"], r["moment_at"]): r for r in rows}
        found = {m: actual[_key(m)] for m in self.moments if _key(m) in actual}
        expected = self.oracle.decide(
            self.moments, now, {moment: row["decision_id"] for moment, row in found.items()}
        )
        assert len(rows) == len(actual)
        assert {
            key: (row["outcome"], row["reason"], row["deferred_until"])
            for key, row in actual.items()
        } == {
            _key(moment): (outcome, reason, until and until.replace(tzinfo=None))
            for moment, (outcome, reason, until) in expected.items()
        }
        self.decided |= found
        return sorted((m for m, row in found.items() if row["outcome"] == "send"), key=str)

    def _meet(self, person: Person) -> None:
        if person.is_known:
            self.world.person(
                person.user_key,
                account_id=person.account_id,
                time_zone=person.time_zone,
                email_hash=person.email_hash,
                consents=json.dumps({person.refuses: False}) if person.refuses else None,
            )

    def _configure(self) -> None:
        oracle, insert = self.oracle, self.world.insert
        experiment = {"experiment": "control", "hash_seed": oracle.seed, "unit": "user"}
        insert("experiments", {**experiment, "is_enabled": True})
        arm = {"experiment": "control", "arm": "control", "is_control": True}
        insert("experiment_arms", {**arm, "bucket_from": 0, "bucket_to": oracle.control_share})
        holdout = {"holdout": "all", "hash_seed": "holdout", "share": oracle.holdout_share}
        insert("holdouts", {**holdout, "exempt_tag": "y", "is_enabled": True})
        for name, row in oracle.triggers.items():
            self.world.trigger(name, **row)
        for cap in oracle.caps:
            self.world.cap(cap.name, **_cap(cap))
        tiers = ["*"] if oracle.wide_awake is None else {"urgent", "high", "low"}
        for tier in sorted(set(tiers) - {oracle.wide_awake}) if oracle.quiet_channel else []:
            insert(
                "quiet_hours",
                {
                    "channel": oracle.quiet_channel,
                    "tier": tier,
                    "starts_at": f"{oracle.quiet_from:02}:00",
                    "ends_at": f"{oracle.quiet_to:02}:00",
                    "is_enabled": True,
                },
            )

    def _report(self, decision_id: str, state: str, when: datetime, **columns: Any) -> None:
        self.sequence += 1
        row = {
            "sequence": self.sequence,
            "operation_id": decision_id,
            "decision_id": decision_id,
            "kind": "moment",
            "state": state,
            "planned_at": when,
            "loaded_at": when,
        }
        self.world.insert("raw.sync_operations", {**row, **columns})

    def _execute(self, statement: str, *values: Any) -> None:
        self.world.connection.execute(statement, list(values))


def _key(moment: Moment) -> tuple[str, str, datetime]:
    return moment.trigger, moment.person.user_key, moment.when.replace(tzinfo=None)


def _cap(cap: Limit) -> dict[str, Any]:
    row = {name: value for name, value in vars(cap).items() if name not in ("name", "is_cap")}
    return {**row, "experiment": cap.arm and "control"}
