"""Which columns MLflow's table of runs shows when ``dynamics ui`` opens it."""

import json

# MLflow keeps a "shared view" as a tag of the experiment and shows it at this key in the address.
KEY = "dynamics"
TAG = f"mlflow.sharedViewState.{KEY}"
COLUMNS = (
    "attributes.`Start Time`",
    "metrics.`scratch.test_accuracy`",
    "metrics.`pretrained.test_accuracy`",
    "metrics.`omniglot.test_accuracy`",
    "metrics.`test_accuracy`",  # of each network, in the nested runs
    "params.`network.hidden_layers`",
    "params.`train.networks`",
    "params.`train.algorithm`",
    "params.`train.learning_rate`",
    "params.`train.epochs`",
    "params.`seed`",
    "tags.`stand_in`",
)


def state() -> str:
    """The view, as MLflow's UI reads it."""
    return json.dumps(
        {
            "selectedColumns": COLUMNS,
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "searchFilter": "",
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "runsExpanded": {},
            "runsPinned": [],
            "runsHidden": [],
            "hideEmptyCharts": True,
        }
    )
