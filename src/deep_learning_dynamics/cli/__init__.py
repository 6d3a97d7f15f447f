"""The command ``dynamics``: the common acts in one line each.

Commands import what takes long (pandas, MLflow, figures) when they run, so that ``--help`` answers
at once.
"""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deep_learning_dynamics.cli.cluster import cluster
from deep_learning_dynamics.cli.collect import audit, collect
from deep_learning_dynamics.cli.compare import compare
from deep_learning_dynamics.cli.draw import draw
from deep_learning_dynamics.cli.importing import import_records
from deep_learning_dynamics.cli.listing import list_runs
from deep_learning_dynamics.cli.replicate import replicate
from deep_learning_dynamics.cli.run import check, run, track
from deep_learning_dynamics.cli.show import show
from deep_learning_dynamics.cli.sweep import sweep
from deep_learning_dynamics.cli.ui import ui
from deep_learning_dynamics.workspace import print_anywhere, project_root

COMMANDS = {  # in the order of --help
    "run": run,
    "check": check,
    "list": list_runs,
    "show": show,
    "compare": compare,
    "replicate": replicate,
    "sweep": sweep,
    "import": import_records,
    "track": track,
    "ui": ui,
    "collect": collect,
    "audit": audit,
    "draw": draw,
    "cluster": cluster,
}
OUTSIDE = ("collect", "audit", "draw", "cluster")  # those that need no project


class Commands(TyperGroup):
    """Commands whose errors end in one clear line, with the error's exit status."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        print_anywhere()
        return super().main(*arguments, **options | {"prog_name": "dynamics"})

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt:
            status, message = 130, "interrupted"
        except BrokenPipeError:  # whoever read it has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except Exception as error:
            from deep_learning_dynamics.study.stage import in_words

            words = in_words(error)
            if words is None:
                raise
            status, message = getattr(error, "exit_status", 1), f"error: {words}"
        print(message, file=sys.stderr)
        raise typer.Exit(status)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Record, project and compare the paths of networks while they learn. The settings of the "
    "study are in params.yaml.",
    epilog="Example: dynamics run",
    context_settings={
        "help_option_names": ["-h", "--help"],
        # The script of 2020 wrote its options with underscores.
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dynamics {metadata.version('deep-learning-dynamics')}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    if ctx.invoked_subcommand not in OUTSIDE and not {"-h", "--help"} & set(sys.argv):
        _use_own_code(project_root(Path.cwd()))


for _name, _function in COMMANDS.items():
    app.command(_name)(_function)


def _use_own_code(root: Path) -> None:
    """Restart with the project's own code if that of another copy was imported.

    A worktree or a copy often uses the environment of the original.
    """
    own = root / "src" / "deep_learning_dynamics"
    here = Path(__file__).resolve().parent.parent
    if not (own / "cli").is_dir() or own.resolve() == here or "DYNAMICS_OWN_CODE" in os.environ:
        return
    paths = [str(root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {"PYTHONPATH": os.pathsep.join(paths), "DYNAMICS_OWN_CODE": str(root)}
    start = "from deep_learning_dynamics.cli import app; app()"
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-c", start, *sys.argv[1:]], os.environ | variables)
