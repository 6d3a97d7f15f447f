"""The command ``dynamics``: the common acts in one line each, a file for each command.

A command is a module with a function ``command`` and an example in ``EPILOG``. What commands need
is imported in them, so that ``--help`` answers at once.
"""

import importlib
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.workspace import print_anywhere, project_root

COMMANDS = {  # by name, in the order of --help: the module
    "run": "run",
    "check": "checking",
    "list": "listing",
    "show": "show",
    "compare": "compare",
    "replicate": "replicate",
    "sweep": "sweep",
    "import": "importing",
    "track": "track",
    "ui": "ui",
    "collect": "collect",
    "audit": "audit",
    "draw": "draw",
    "cluster": "cluster",
}
OUTSIDE = ("collect", "audit", "draw", "cluster")  # those that need no project


class Commands(TyperGroup):
    """Ends with one clear line and the error's exit status where a person can put it right."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        print_anywhere()
        return super().main(*arguments, **options | {"prog_name": "dynamics"})

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except DynamicsError as error:
            status, message = error.exit_status, f"error: {error}"
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
            status, message = 1, f"error: {words}"
        print(message, file=sys.stderr)
        raise typer.Exit(status)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Record, project and compare the paths of networks while they learn. The settings of the "
    "study are in params.yaml.",
    epilog="Example: dynamics run",
    context_settings={"help_option_names": ["-h", "--help"]},
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


for _name, _module in COMMANDS.items():
    _command = importlib.import_module(f"{__name__}.{_module}")
    app.command(_name, epilog=_command.EPILOG, **getattr(_command, "OPTIONS", {}))(_command.command)


def _use_own_code(root: Path) -> None:
    """Start again with the project's own code where another project's was imported.

    As in a worktree or a copy, with the environment of the original.
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
