"""The context before a play: what a client would have sent, as arrays and as contexts alike."""

from collections import defaultdict

import numpy as np
import pandas as pd

from data import Dataset
from models import ListenerContext, RecentPlay
from models.features.context_encoder import situation_of
from models.features.history import history_of
from trainer.contexts import RecordedContexts, contexts_at
from trainer.splits import plays_of_known_tracks


def client_contexts(plays: pd.DataFrame) -> list[ListenerContext]:
    """Returns what a client that remembers its listeners' latest 200 plays sends before each play."""
    memory: defaultdict[int, list[RecentPlay]] = defaultdict(list)
    sent = []
    for play in plays.to_dict("records"):
        recent = memory[play["listener_id"]]
        situation = play["advertisement_before"], play["position"]
        sent.append(ListenerContext(play["premium"], tuple(recent[-200:]), *situation))
        recent.append(RecentPlay(play["track_id"], play["skipped"]))
    return sent


def all_contexts(plays: pd.DataFrame) -> list[ListenerContext]:
    return list(contexts_at(plays, np.arange(len(plays))))


def test_some_rows_contexts_are_those_of_all_rows(tiny_dataset: Dataset) -> None:
    plays = plays_of_known_tracks(tiny_dataset)
    rows = np.array([3, 50, 399])
    everything = all_contexts(plays)
    assert list(contexts_at(plays, rows)) == [everything[row] for row in rows]


def test_contexts_are_what_a_client_would_send(tiny_dataset: Dataset) -> None:
    plays = plays_of_known_tracks(tiny_dataset)
    # A client of one listener in several sessions at once would know less: there are a few such plays.
    pairs = zip(all_contexts(plays), client_contexts(plays), strict=True)
    assert sum(ours == theirs for ours, theirs in pairs) > 300


def test_the_arrays_hold_what_the_contexts_say(tiny_dataset: Dataset) -> None:
    plays, catalogue = plays_of_known_tracks(tiny_dataset), tiny_dataset.catalogue
    rows = np.random.default_rng(3).permutation(len(plays))
    contexts = RecordedContexts(plays, catalogue)
    histories, situations, n_known = (
        contexts.histories(rows),
        contexts.situations(rows),
        contexts.n_known(rows),
    )
    for place, context in enumerate(contexts_at(plays, rows)):
        expected, found = history_of(context, catalogue.row_of), histories.part(np.array([place]))
        found = found.latest(len(context.recent_plays))
        assert found.rows.tolist() == expected.rows.tolist()
        assert found.played_through.tolist() == expected.played_through.tolist()
        assert found.n_plays.tolist() == [len(context.recent_plays)]
        assert n_known[place] == len(context.recent_plays)
        assert situations[place].tolist() == situation_of(context).tolist()


def test_an_outcome_changes_only_later_contexts(tiny_dataset: Dataset) -> None:
    plays = plays_of_known_tracks(tiny_dataset)
    other = plays.assign(skipped=plays["skipped"].where(plays.index != 200, ~plays["skipped"]))
    before, after = all_contexts(plays), all_contexts(other)
    assert before[:201] == after[:201]
    assert before[201:] != after[201:]
