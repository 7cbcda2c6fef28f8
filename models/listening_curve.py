"""When listeners skip: from the probability of playing through to the probability of hearing second t."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_QUANTILES = 101
# Stands in for both distributions where no skip was seen: any share of a track, any second of four minutes.
_UNIFORM_S = 240.0


@dataclass(frozen=True, eq=False)
class SkipTimes:
    """How skips spread over a track, as quantiles at even steps from 0 to 1, rising.

    On the real data the share of a track at which it is skipped hardly depends on its duration, on the track
    or on the listener, so one distribution serves all; it meets the model's probability, which depends on
    all of them.

    Attributes:
        shares: Share of the track heard by then, in [0, 1], (n_quantiles,).
        seconds: Seconds heard by then, for a track of unknown duration, (n_quantiles,).
    """

    shares: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def listening_curves(
        self, probabilities: NDArray[np.float64], durations_s: NDArray[np.float64], at_s: Sequence[float]
    ) -> NDArray[np.float64]:
        """Returns P(second t is heard | started) for each track and time.

        Args:
            probabilities: Of playing through, (n_tracks,).
            durations_s: Durations of the tracks in seconds, NaN where unknown, (n_tracks,).
            at_s: Times t from the start of the track, in seconds, (n_points,).

        Returns:
            Probabilities that never rise with t, (n_tracks, n_points): 1 at the start, about the probability
            of playing through just before the end, 0 from the end on.
        """
        times = np.asarray(at_s, dtype=np.float64)[None, :]  # (1, n_points)
        durations = durations_s[:, None]  # (n_tracks, 1)
        known = np.isfinite(durations) & (durations > 0)
        shares = times / np.where(known, durations, 1.0)
        steps = np.linspace(0, 1, len(self.shares))
        by_share = np.interp(shares, self.shares, steps, left=0.0)
        by_second = np.interp(times, self.seconds, steps, left=0.0)
        skipped_by_then = np.where(known, by_share, by_second)  # (n_tracks, n_points)
        skip = (1 - probabilities)[:, None]
        curves: NDArray[np.float64] = 1 - skip * skipped_by_then
        return np.where(known & (shares >= 1), 0.0, curves)


def uniform_skip_times() -> SkipTimes:
    """Returns skips that are as likely at any moment of a track: what to assume where none was seen."""
    steps = np.linspace(0, 1, N_QUANTILES)
    return SkipTimes(steps, steps * _UNIFORM_S)


def fit_skip_times(listened_s: NDArray[np.float64], durations_s: NDArray[np.float64]) -> SkipTimes:
    """Returns the spread of skips.

    Args:
        listened_s: Seconds heard in each skipped play, (n_skips,).
        durations_s: Duration of its track in seconds, (n_skips,).
    """
    known = np.isfinite(listened_s) & (listened_s >= 0) & (durations_s > 0)
    if not known.any():
        return uniform_skip_times()
    steps = np.linspace(0, 1, N_QUANTILES)
    shares = np.minimum(listened_s[known] / durations_s[known], 1.0)
    return SkipTimes(np.quantile(shares, steps), np.quantile(listened_s[known], steps))
