"""The command ``dynamics``: the common acts in one line each."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deep_learning_dynamics.commands import importing, run, sweep
from deep_learning_dynamics.commands.compare import compare
from deep_learning_dynamics.commands.list import list_runs
from deep_learning_dynamics.commands.replicate import replicate
from deep_learning_dynamics.commands.show import show
from deep_learning_dynamics.errors import DynamicsError

# What commands need is imported in them, so that --help answers at once.


class _Group(TyperGroup):
    """Ends with one clear line and the error's exit status where a person can mend something."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DynamicsError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_status) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train networks from scratch and pre-trained, and compare their paths through weight "
    "space. Settings are in params.yaml.",
    epilog="Example: dynamics run",
)


app.command(epilog=run.EPILOG, context_settings=run.CONTEXT)(run.run)


@app.command(epilog="Example: dynamics check")
def check() -> None:
    """Check params.yaml without running anything; exit status 2 if it has a mistake."""
    from deep_learning_dynamics import params
    from deep_learning_dynamics.lab import settings

    root = _root()
    settings.recover(root)
    params.load(root / "params.yaml")
    print("params.yaml is valid.")


@app.command(epilog="Example: MLFLOW_TRACKING_URI=http://example.org:5000 dynamics track")
def track() -> None:
    """Log the current outputs to the MLflow store that is set now, as far as it lacks them."""
    from deep_learning_dynamics import experiments

    root = _root()
    experiments.check_outputs(root)
    experiments.track(root)


@app.command(epilog="Example: dynamics ui --port 8080")
def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port on 127.0.0.1; the next free one from 5000 on if left out.",
        ),
    ] = None,
) -> None:
    """Show the experiments in the browser: MLflow's UI for the store in use, until Ctrl-C."""
    import signal

    from deep_learning_dynamics.tracking import store_of
    from deep_learning_dynamics.tracking.ui import experiment_address, free_port, serve

    store = store_of(_root())
    if store.is_server:
        print(experiment_address(store.uri))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the server would stay behind
    port = free_port(port)
    print("Starting MLflow's UI, which takes some seconds ...", flush=True)
    try:
        with serve(store, port) as server:
            print(f"{server.address}\nCtrl-C ends it.", flush=True)
            server.wait()
    except KeyboardInterrupt:
        print("The UI is closed.")


app.command(epilog="Example: dynamics compare latest quiet-otter-042")(compare)
app.command(epilog="Example: dynamics show latest --method som")(show)
app.command(epilog="Example: dynamics replicate latest")(replicate)
app.command("list", epilog="Example: dynamics list --json")(list_runs)
app.command(epilog=sweep.EPILOG)(sweep.sweep)
app.command("import", epilog=importing.EPILOG)(importing.import_records)


def _root() -> Path:
    from deep_learning_dynamics.experiments import project_root

    return project_root(Path.cwd())
