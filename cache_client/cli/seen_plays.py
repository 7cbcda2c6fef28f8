"""What a command does about models that have seen the plays which it replays."""

from collections.abc import Sequence
from dataclasses import dataclass

import typer

from cache_client.laboratory_errors import UsageError
from cache_client.rpc.messages import Model
from cache_client.simulator.training_overlap import is_refitted, training_overlap

_ADVICE = "train with --split temporal and without --refit, and replay no more than its test part"


@dataclass(frozen=True, slots=True)
class ReplayedPlays:
    """The plays that a command replays.

    Attributes:
        data_digest: Digest of their data set.
        holdout: Share of its plays, the last ones by time, whose sessions are replayed.
        allow_refitted: Whether to warn of a refitted model too, rather than to refuse it.
    """

    data_digest: str
    holdout: float
    allow_refitted: bool

    def check_unseen_by(self, models: Sequence[Model]) -> None:
        """Warns on stderr of each model that has seen some of the plays.

        Args:
            models: Those that will answer, as the server lists them.

        Raises:
            UsageError: One was refitted on all of the plays, and that is not allowed.
        """
        refitted = [_label(model) for model in models if is_refitted(model, self.data_digest)]
        if refitted and not self.allow_refitted:
            raise UsageError(
                f"{', '.join(refitted)}: refitted on all plays of this data set, so no prediction would be a "
                "forecast; serve models trained with --split temporal and without --refit, or give "
                "--allow-refitted"
            )
        for model in models:
            if seen := training_overlap(model, self.data_digest, self.holdout):
                typer.echo(f"warning: {_label(model)} was {seen}; {_ADVICE}", err=True)


def _label(model: Model) -> str:
    return f"{model.name} {model.version}"
