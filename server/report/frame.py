"""Logged predictions as a table, the one form that the report works on: columns, and no object a row."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from server.log.record import PredictionRecord

Row = Mapping[str, Any]
Columns = dict[str, NDArray[Any]]

_NAMES = ("arm", "model", "version", "digest")
_ID_BYTES = "S24"


class OutcomeRead(BaseModel):
    """What the report reads of an outcome."""

    skipped: bool
    recorded_at: datetime


class PredictionRead(BaseModel):
    """What the report reads of a document: the rest need not leave the database."""

    model_config = ConfigDict(protected_namespaces=())

    prediction_id: str = Field(alias="_id")
    arm: str
    model: str
    version: str
    digest: str = ""
    arm_probability: float
    listener_id: str | None
    play_through_probability: float
    skipped: bool
    requested_at: datetime
    outcome: OutcomeRead | None


class FrameColumns:
    """Gathers documents as columns: 84 bytes a prediction, however long its texts are."""

    def __init__(self) -> None:
        """Begins with no row."""
        self._codes: dict[str, dict[str, int]] = {name: {} for name in _NAMES}
        self._parts: list[Columns] = [self._columns([])]

    def add(self, rows: Sequence[Row]) -> None:
        """Takes documents over, in any order."""
        self._parts.append(self._columns(rows))

    def frame(self) -> pd.DataFrame:
        """Returns the table, and forgets the columns.

        Returns:
            One row a prediction, in order of time, with the record's names. `arm`, `model`, `version` and
            `digest` are categorical. `has_outcome` (bool) says whether `outcome_skipped` (bool) and
            `outcome_recorded_at` mean anything. `cluster` (int32) is whose play it was, each prediction
            without a listener being its own. An arm that several artifacts answered for is an arm for each.
        """
        columns = {name: np.concatenate([p.pop(name) for p in self._parts]) for name in list(self._parts[0])}
        self._parts = [self._columns([])]
        order = np.lexsort((columns.pop("prediction_id"), columns["requested_at"]))
        for name, values in columns.items():
            columns[name] = values[order]
        columns["cluster"] = _clusters(columns.pop("listener"), columns.pop("anonymous"))
        frame = pd.DataFrame(
            {name: columns.pop(name) for name in list(columns) if name not in _NAMES}
            | {name: _categorical(columns.pop(name), list(self._codes[name])) for name in _NAMES},
            copy=False,
        )
        for name in ("requested_at", "outcome_recorded_at"):
            frame[name] = frame[name].dt.tz_localize("UTC")
        frame["arm"] = _by_artifact(frame)
        return frame

    def _columns(self, rows: Sequence[Row]) -> Columns:
        n, outcomes = len(rows), [row.get("outcome") for row in rows]
        recorded = [
            (each or {}).get("recorded_at") or row["requested_at"]
            for row, each in zip(rows, outcomes, strict=True)
        ]
        listeners = [row["listener_id"] for row in rows]
        return {
            "prediction_id": np.array([row["_id"].encode() for row in rows], _ID_BYTES),
            "listener": _hashes(listeners),
            "anonymous": np.fromiter((each is None for each in listeners), bool, n),
            "arm_probability": np.fromiter((row["arm_probability"] for row in rows), np.float64, n),
            "play_through_probability": np.fromiter(
                (row["play_through_probability"] for row in rows), np.float64, n
            ),
            "skipped": np.fromiter((row["skipped"] for row in rows), bool, n),
            "requested_at": _instants([row["requested_at"] for row in rows]),
            "has_outcome": np.fromiter((each is not None for each in outcomes), bool, n),
            "outcome_skipped": np.fromiter((bool(each and each["skipped"]) for each in outcomes), bool, n),
            "outcome_recorded_at": _instants(recorded),
            **{name: self._coded(name, rows) for name in _NAMES},
        }

    def _coded(self, name: str, rows: Sequence[Row]) -> NDArray[np.int32]:
        known = self._codes[name]
        return np.fromiter(
            (known.setdefault(row.get(name, ""), len(known)) for row in rows), np.int32, len(rows)
        )


def read_frame(predictions: Iterable[PredictionRecord]) -> pd.DataFrame:
    """Returns the table of records at hand, in any order; see `FrameColumns.frame`."""
    columns = FrameColumns()
    columns.add(
        [msgspec.to_builtins(p, builtin_types=(datetime,)) | {"_id": p.prediction_id} for p in predictions]
    )
    return columns.frame()


def _hashes(listeners: Sequence[str | None]) -> NDArray[np.uint64]:
    """Returns 64 bits for each: a million listeners agree in none but once in 37 million times."""
    texts = np.array([each or "" for each in listeners], dtype=object)
    return pd.util.hash_array(texts, categorize=False)


def _instants(times: Sequence[datetime]) -> NDArray[np.datetime64]:
    return pd.DatetimeIndex(pd.to_datetime(times, utc=True)).as_unit("us").tz_localize(None).to_numpy()


def _clusters(listeners: NDArray[np.uint64], anonymous: NDArray[np.bool_]) -> NDArray[np.int32]:
    codes, known = pd.factorize(listeners[~anonymous])
    clusters = np.empty(len(listeners), np.int32)
    clusters[~anonymous] = codes
    clusters[anonymous] = len(known) + np.arange(np.count_nonzero(anonymous))
    return clusters


def _categorical(codes: NDArray[np.int32], texts: Sequence[str]) -> "pd.Categorical[str]":
    """Returns the texts that codes stand for, with categories in order."""
    ordered = sorted(texts)
    ranks = np.array([ordered.index(text) for text in texts], np.int32)
    return pd.Categorical.from_codes(ranks[codes], pd.Index(ordered, dtype=object))


def _by_artifact(frame: pd.DataFrame) -> pd.Series:
    """Returns the arms, an arm of several artifacts as several.

    A phase names the digests of its artifacts, so that this is rare: what was logged by other programs.
    """
    pairs = frame[["arm", "digest"]].drop_duplicates()
    mixed = frame["arm"].isin(pairs["arm"][pairs["arm"].duplicated()])
    if not mixed.any():
        return frame["arm"]
    arms, digests = frame["arm"].astype(str), frame["digest"].astype(str).replace("", "(no digest)")
    return arms.where(~mixed, arms + " " + digests).astype("category")
