"""Which arm of the experiment answers a request."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from server.experiment.metric import DEFAULT_METRIC


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the models that the experiment compares.

    Attributes:
        name: Name of the arm, as logged.
        model: Model that answers for it.
        version: Version of that model.
        probability: Share of the traffic in (0, 1].
        digest: Identifies the bytes of the model's artifact; empty until it is loaded.
    """

    name: str
    model: str
    version: str
    probability: float
    digest: str = ""


class Experiment:
    """A comparison of models on live traffic.

    Attributes:
        name: Name of the experiment, as logged.
        arms: The arms, by name.
        metric: What decides it: "accuracy", "brier" or "log_loss".
        phase: Names the salt, the arms, their versions, digests and probabilities, and the metric: 12
            hexadecimal digits, the same on every machine. Any change makes another phase, and going back
            resumes the earlier one.
    """

    def __init__(
        self,
        name: str,
        salt: str,
        arms: Sequence[Arm],
        draw: Callable[[], float] = random.random,
        *,
        metric: str = DEFAULT_METRIC.value,
    ) -> None:
        """Sets the experiment up.

        Args:
            name: Name of the experiment, as logged.
            salt: Secret-free text that makes this experiment's sticky assignment independent of others'.
            arms: The arms; their probabilities add up to 1. Their order by name fixes the assignment.
            draw: Source of uniform numbers in [0, 1) for requests without a listener.
            metric: What decides the experiment.
        """
        self.name = name
        self.arms = tuple(sorted(arms, key=lambda arm: arm.name))
        self.metric = metric
        self.phase = _fingerprint(name, salt, self.arms, metric)
        self._salt = salt
        self._draw = draw

    def with_digests(self, digests: Mapping[tuple[str, str], str]) -> "Experiment":
        """Returns the same experiment, once its models are loaded.

        Args:
            digests: By model and version, the digest of the artifact that answers.
        """
        arms = [replace(arm, digest=digests[arm.model, arm.version]) for arm in self.arms]
        return Experiment(self.name, self._salt, arms, self._draw, metric=self.metric)

    def choose(self, listener_id: str | None, request_id: str = "") -> Arm:
        """Draws an arm: always the same one for a listener, else for a request id, else anew."""
        if listener_id is not None:
            point = position(self._salt, listener_id)
        elif request_id:
            point = position(f"{self._salt}:request", request_id)
        else:
            point = self._draw()
        for arm in self.arms:
            if point < arm.probability:
                return arm
            point -= arm.probability
        # Probabilities that add up to a hair below 1 leave a sliver at the end.
        return self.arms[-1]


def position(salt: str, listener_id: str) -> float:
    """Returns a listener's place in [0, 1), the same in every process, version and language.

    It is the first 53 bits of SHA-256 over the UTF-8 text `salt:listener_id`, read as a big-endian number and
    divided by 2**53. Test vectors are in `docs/experiments.md`.
    """
    digest = hashlib.sha256(f"{salt}:{listener_id}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _fingerprint(name: str, salt: str, arms: Sequence[Arm], metric: str) -> str:
    drawn = [
        [arm.name, arm.model, arm.version, round(arm.probability, 9), *([arm.digest] if arm.digest else [])]
        for arm in arms
    ]
    # The default is left out, so that phases from before metrics were declared stay the same ones.
    declared = [] if metric == DEFAULT_METRIC else [metric]
    return hashlib.sha256(json.dumps([name, salt, drawn, *declared]).encode()).hexdigest()[:12]
