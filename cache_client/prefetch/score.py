"""What a session is worth to its listener and to whoever pays for the bytes, as one number."""

from dataclasses import dataclass

from cache_client.prefetch.delivery import check_range
from playthrough.v1.limits import MAX_PRICE


@dataclass(frozen=True, slots=True)
class ScoreWeights:
    """The price of a wait and of a wasted byte, in minutes of listening.

    score of a session = minutes heard - `wait_per_s` · seconds waited - `waste_per_mbit` · Mbit never heard

    Waits are start delays, the first play's too, and stalls. The weights are those of the ACM Multimedia 2022
    grand challenge on short-video streaming: 1.85 a second of stalling and 0.5 a Mbit downloaded, there
    against the bit rate of what was seen. Two changes: at one bit rate quality is just time heard, so that
    term counts minutes; and of the downloaded bytes only those never heard count, since the heard ones must
    come under any policy. Both leave the differences between policies on the same sessions as they are,
    but for bytes fetched twice.

    Attributes:
        wait_per_s: Price of one second of waiting.
        waste_per_mbit: Price of one Mbit (10⁶ bit) downloaded and never heard.

    Source:
        Zuo et al., "Bandwidth-Efficient Multi-video Prefetching for Short Video Streaming", ACM MM 2022.
    """

    wait_per_s: float = 1.85
    waste_per_mbit: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what cannot be a price.

        Raises:
            ValueError: A price is negative, not finite or above a million.
        """
        check_range("wait_per_s", self.wait_per_s, 0.0, MAX_PRICE)
        check_range("waste_per_mbit", self.waste_per_mbit, 0.0, MAX_PRICE)

    def score(self, heard_s: float, waited_s: float, wasted_bytes: float) -> float:
        """Returns the score of a session."""
        return heard_s / 60 - self.wait_cost(waited_s) - self.waste_cost(wasted_bytes)

    def wait_cost(self, seconds: float) -> float:
        """Returns the price of waiting so many seconds."""
        return self.wait_per_s * seconds

    def waste_cost(self, wasted_bytes: float) -> float:
        """Returns the price of so many bytes that nobody hears."""
        return self.waste_per_mbit * wasted_bytes * 8 / 1e6
