"""A model's numbers and a run's files into MLflow, wherever `MLFLOW_TRACKING_URI` says."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from robustsuite.errors import UsageError

AT_A_TIME = 1000
"""MLflow's server takes no more metrics in one request."""


def mlflow(suite: str, model: str, metrics: Mapping[str, float], facts: Mapping[str, str], files: Sequence[Path]) -> str:
    """Log one run, named after the model, in the experiment named after the suite; returns where it is.

    `metrics` have names that MLflow takes; `facts` become tags, files artifacts. Raises `UsageError` where MLflow is not
    installed, or refuses.
    """
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise UsageError("expected MLflow to be installed, got none; pip install mlflow") from None
    try:
        experiment = mlflow.set_experiment(f"robustsuite {suite}")
        with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=model, nested=True) as run:
            mlflow.set_tags(dict(facts))
            names = list(metrics)
            for first in range(0, len(names), AT_A_TIME):
                mlflow.log_metrics({name: metrics[name] for name in names[first : first + AT_A_TIME]})
            for file in files:
                mlflow.log_artifact(str(file))
    except MlflowException as error:
        raise UsageError(f"expected MLflow to keep the run, got {str(error).splitlines()[0]}; check MLFLOW_TRACKING_URI") from error
    return f"{mlflow.get_tracking_uri()}, run {run.info.run_id}"
