"""What the callers of a soak saw, and what is found of it afterwards."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from server.log.spool.status import count_spooled


@dataclass
class Tally:
    """The counts of one soak.

    Attributes:
        answered: Ids of predictions that were answered OK.
        outcomes: By id, the outcome that was acknowledged: skipped, and listened_ms.
        cut_off: Predictions that were left without an answer: they may be documents, or not.
        retried: Predictions that were answered when they were asked for again by their request id.
        errors: Calls that failed for another reason than a kill or a full disk, by method and code.
        details: What the first few of them said.
        rounds: How many servers were ended.
        happened: How often each mishap happened.
        documents: Found in MongoDB.
        missing: Answered, and not found.
        lost_outcomes: Acknowledged, and not found as acknowledged.
        duplicates: Documents beyond one an id.
        strangers: Documents of no answered prediction; at most as many as calls were cut off.
        left_over: What the spool still holds, or has given up.
    """

    answered: set[str] = field(default_factory=set)
    outcomes: dict[str, tuple[bool, int]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)
    cut_off: int = 0
    retried: int = 0
    rounds: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    missing: int = 0
    lost_outcomes: int = 0
    duplicates: int = 0
    strangers: int = 0
    left_over: int = 0

    @property
    def nothing_lost(self) -> bool:
        """Says whether all that must hold does."""
        wrong = self.missing, self.lost_outcomes, self.duplicates, self.left_over, self.errors.total()
        return not any(wrong) and self.strangers <= self.cut_off and self.documents > 0

    def summary(self) -> dict[str, Any]:
        """Returns the counts, in the order in which one asks for them."""
        return {
            "rounds": self.rounds,
            "happened": dict(sorted(self.happened.items())),
            "answered": len(self.answered),
            "documents": self.documents,
            "missing": self.missing,
            "duplicates": self.duplicates,
            "outcomes_acknowledged": len(self.outcomes),
            "lost_outcomes": self.lost_outcomes,
            "errors": dict(self.errors),
            "cut_off": self.cut_off,
            "retried": self.retried,
            "strangers": self.strangers,
            "left_over": self.left_over,
            "nothing_lost": self.nothing_lost,
        }

    def compare(self, uri: str, spool: Path) -> None:
        """Compares what was answered with what is in MongoDB, and looks at what is left in the spool."""
        with contextlib.closing(MongoClient[dict[str, Any]](uri)) as client:
            found = list(client.get_default_database()["predictions"].find({}, {"outcome": 1}))
        documents = {document["_id"]: document["outcome"] for document in found}
        self.documents, self.duplicates = len(found), len(found) - len(documents)
        self.missing = len(self.answered - documents.keys())
        self.strangers = len(documents.keys() - self.answered)
        for prediction_id, (skipped, listened_ms) in self.outcomes.items():
            stored = documents.get(prediction_id)
            same = stored is not None and (stored["skipped"], stored["listened_ms"]) == (skipped, listened_ms)
            self.lost_outcomes += not same
        counts = count_spooled(spool)
        dead = counts.dead_letters + counts.dead_outcomes
        self.left_over = counts.waiting + counts.held_outcomes + dead
