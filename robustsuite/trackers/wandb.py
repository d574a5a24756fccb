"""A model's numbers and a run's files into Weights & Biases, as `WANDB_MODE`, `WANDB_ENTITY` and its login say."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from robustsuite.errors import UsageError


def wandb(suite: str, model: str, metrics: Mapping[str, float], facts: Mapping[str, str], files: Sequence[Path]) -> str:
    """Log one run, named after the model, in the project of the suite; returns where it is.

    `metrics` become the run's summary, `facts` its configuration; files are saved with it. Raises `UsageError` where wandb is not
    installed, or refuses.
    """
    try:
        import wandb
    except ImportError:
        raise UsageError("expected wandb to be installed, got none; pip install wandb") from None
    try:
        run = wandb.init(project=f"robustsuite-{suite}"[:128], name=model, config=dict(facts))
    except wandb.Error as error:
        raise UsageError(f"expected wandb to begin a run, got {error}; log in, or set WANDB_MODE=offline") from error
    try:
        run.summary.update(dict(metrics))
        for file in files:
            run.save(str(file), base_path=str(file.parent), policy="now")
    finally:
        run.finish()
    return run.url or str(Path(run.dir).parent)
