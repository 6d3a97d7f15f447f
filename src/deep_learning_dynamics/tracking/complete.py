"""Completes a run from what the stages wrote: curves, numbers, files, the verdict in words."""

import html
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics import formatting
from deep_learning_dynamics.errors import DynamicsError, TrackingError
from deep_learning_dynamics.files import read_json, write_json
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.tracking.dvc_files import damaged, dumped, flattened, read_lock
from deep_learning_dynamics.tracking.identity import RunIdentity, identity_of
from deep_learning_dynamics.tracking.live import curves_locked, curves_of
from deep_learning_dynamics.tracking.runs import FINISHED, finish, log_curves, open_run
from deep_learning_dynamics.tracking.store import Connection, connect, is_off, reaching, store_of
from deep_learning_dynamics.workspace import SCRATCH

if TYPE_CHECKING:
    from mlflow.entities import Run

SUMMARY = Path("metrics/summary.json")
MOST_METRICS = 30
MOST_BYTES = 4e9  # of one output; larger ones, such as the weights of many networks, stay with DVC
LIMIT = 8000  # characters that MLflow keeps of a tag
PREVIEWS = ("sheet", "learning_curves")  # figures in the description, at the width of its column
PREVIEW_WIDTH = 800  # pixels
NOT_LOGGED = ("checked/", "reduction", ".npz")  # beginnings and endings: made from the rest
CURVES = "curves.parquet"  # every network's scores, by snapshot
LOGGED = SCRATCH / "logged.json"  # what the working copy's outputs were logged as last


@dataclass(frozen=True)
class Logged:
    """A complete run."""

    run_id: str
    name: str
    store: str  # its address, for people
    fingerprint: str


def logged(root: Path, parameters: Mapping[str, Any]) -> Logged | None:
    """The run of these settings, if the outputs that are there were logged as it."""
    known = logged_last(root)
    try:
        identity = identity_of(root, parameters, *_trained_with(root))
    except (OSError, ValueError, TypeError, DynamicsError):
        return None
    return known if known is not None and known.fingerprint == identity.fingerprint else None


def logged_last(root: Path) -> Logged | None:
    """The run that the outputs were logged as last, whatever was set since.

    There is none if that was in another store than the one in use now.
    """
    try:
        known = Logged(**json.loads((root / LOGGED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.store == str(store_of(root)) else None


def attempt(root: Path, parameters: Mapping[str, Any]) -> Logged | None:
    """As :func:`log`, but a store that cannot be used is only a warning: the work is done."""
    if is_off():
        print("note: DYNAMICS_TRACKING=off: not logged to MLflow; later: dynamics track")
        return None
    try:
        return log(root, parameters)
    except TrackingError as error:
        print(
            f"warning: not logged to MLflow: {error} Everything is computed and kept; log it "
            "later with: dynamics track",
            file=sys.stderr,
            flush=True,
        )
        return None


def log(root: Path, parameters: Mapping[str, Any], note: str | None = None) -> Logged:
    """Log what this execution's run lacks, and finish it; a finished run stays as it is.

    Args:
        root: the project. Its outputs must be those of its ``params.yaml``, as after ``dvc repro``.
        parameters: all settings, defaults included.
        note: what a person says about the run; otherwise what the environment says.

    Raises:
        TrackingError: the store cannot be reached, or an output is missing.
    """
    store = store_of(root)
    identity = identity_of(root, parameters, *_trained_with(root))
    results, numbers = Results.gather(root), _numbers(root)
    connection = connect(store)
    with curves_locked(root), reaching(store):
        run = open_run(connection, identity)
        if run.info.status != FINISHED:
            curves = curves_of(results.scores, MOST_METRICS - len(numbers))
            steps = [step for curve in curves.values() for step in curve]
            values = {name: {max(steps, default=0): value} for name, value in numbers.items()}
            log_curves(connection, run.info.run_id, curves | values)
            note = identity.tags.get("note", "") if note is None else note
            with tempfile.TemporaryDirectory(prefix="dynamics-") as scratch:
                previews, left = _log_files(connection, run, root, results, Path(scratch))
            tags = {
                "conditions differ": _differ(results),
                "not logged": ", ".join(left),
                "note": note,
                "mlflow.note.content": describe(run, identity, results, previews, note),
            }
            for key, value in tags.items():
                if value:
                    connection.client.set_tag(run.info.run_id, key, value)
            run = finish(connection, run.info.run_id, identity.fingerprint)
    made = Logged(run.info.run_id, run.info.run_name, str(store), identity.fingerprint)
    write_json(root / LOGGED, asdict(made))
    return made


def describe(
    run: "Run", identity: RunIdentity, results: Results, previews: list[str], note: str
) -> str:
    """The run's description in MLflow's UI: Markdown; the first sentence is the answer."""
    # MLflow's UI serves a run's files at this address; without a leading slash it also holds for a
    # server that lives under a path.
    files = f"get-artifact?run_uuid={run.info.run_id}&path=preview"
    parts = []
    if results.comparisons is not None:
        verdict = results.comparisons.verdict
        parts += [f"**{verdict.sentence}**", "\n".join(f"- {text}" for text in verdict.bullets)]
        if verdict.next_step:
            parts.append(verdict.next_step)
    # What a person wrote is text, not HTML.
    parts.append(html.escape(note.strip()))
    parts += [f"![{name.replace('_', ' ')}]({files}/{name}.png)" for name in previews]
    parts += [
        f"- **{entry.get('label', name)}** (from {entry.get('source', 'unknown')}): "
        f"{entry.get('description', '')}"
        for name, entry in identity.data.items()
    ]
    return "\n\n".join(part for part in parts if part)[:LIMIT]


def _log_files(
    connection: Connection, run: "Run", root: Path, results: Results, scratch: Path
) -> tuple[list[str], list[str]]:
    """Copy an execution's files to its run; returns the previews, and what was too large."""
    client, run_id = connection.client, run.info.run_id
    lock = read_lock(root)
    sources = {name: root / name for name in ("params.yaml", "dvc.yaml", *lock.outputs)}
    missing = [name for name, source in sources.items() if not source.exists()]
    if missing:
        raise TrackingError(
            f"{formatting.listed(missing)} of {root} are missing; expected what the pipeline "
            "wrote. Make it with: dvc repro"
        )
    if wrong := damaged(root, lock.outputs):
        raise TrackingError(
            f"{formatting.listed(wrong)} of {root} are not what dvc.lock says; expected what the "
            "pipeline wrote. Make them again with: dynamics run, or rm -r them and dvc repro"
        )
    # Of this experiment's stages alone, and without the stage that logs, which is not done yet.
    sources["dvc.lock"] = scratch / "dvc.lock"
    sources["dvc.lock"].write_text(dumped(lock.content), encoding="utf-8")
    sources[CURVES] = scratch / CURVES
    results.scores.to_parquet(sources[CURVES], index=False)
    previews = []
    for name in PREVIEWS:
        figure, preview = root / "figures" / f"{name}.png", scratch / f"{name}.png"
        if figure.exists():
            _write_preview(figure, preview)
            sources[f"preview/{name}.png"] = preview
            previews.append(name)
    left = [name for name, source in sources.items() if _size(source) > MOST_BYTES]
    for name, source in sources.items():
        folder = PurePosixPath(name).parent.as_posix()
        if name in left or name.startswith(NOT_LOGGED) or name.endswith(NOT_LOGGED):
            continue
        if source.is_dir():
            client.log_artifacts(run_id, str(source), name)
        else:
            client.log_artifact(run_id, str(source), None if folder == "." else folder)
    return previews, left


def _write_preview(source: Path, target: Path) -> None:
    from PIL import Image

    with Image.open(source) as picture:
        # Up to that width it stays as it is.
        picture.thumbnail((PREVIEW_WIDTH, picture.height), Image.Resampling.LANCZOS)
        picture.save(target)


def _numbers(root: Path) -> dict[str, float]:
    """The numbers of the summary that DVC compares, too; those that are not known are left out."""
    found = flattened(read_json(root / SUMMARY, "dvc repro"))
    numbers = {key: float(v) for key, v in found.items() if isinstance(v, int | float)}
    return dict(list(numbers.items())[: MOST_METRICS // 2])


def _trained_with(root: Path) -> tuple[str, str]:
    """The device and the arithmetic of the training, as its stores say."""
    device, arithmetic = "cpu", ""
    for store in sorted((root / "snapshots").glob("*.zarr/zarr.json")):
        attributes = read_json(store, "dvc repro").get("attributes", {})
        device = json.loads(attributes.get("environment", "{}")).get("device", device)
        arithmetic = attributes.get("arithmetic", arithmetic)
    return device, arithmetic


def _differ(results: Results) -> str:
    """Whether conditions differ: a column of MLflow's table of runs."""
    if results.comparisons is None:
        return ""
    if not results.comparisons.verdict.decided:
        return "undecided"
    return "yes" if any(item.significant for item in results.comparisons.items) else "no"


def _size(source: Path) -> int:
    return sum(each.stat().st_size for each in (source, *source.rglob("*")) if each.is_file())
