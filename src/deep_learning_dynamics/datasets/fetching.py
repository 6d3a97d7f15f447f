"""One dataset from the first source that has it, written with its provenance beside it."""

import sys
from pathlib import Path

from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.datasets.provenance import Provenance, describe
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.params import Data, DatasetName, Source, Target

MEND = """\
To use the original, put it in a folder as
    mnist/train-images-idx3-ubyte.gz and MNIST's three other files
    omniglot/images_background.zip   (or unpacked: omniglot/images_background/)
name that folder datasets/ in the project or in DYNAMICS_DATASETS, and fetch again:
    dvc repro --force --single-item fetch@{name} && dvc repro"""


def fetch(name: DatasetName, data: Data, folder: Path = Path("data")) -> Provenance:
    """Write ``folder/NAME.npz`` and ``folder/NAME.json`` from the first of ``data.sources``.

    What each source without the dataset said goes to standard error, and so does a warning where
    another than the original is used. Both files appear whole or stay as they were.

    Raises:
        DataError: no source has the dataset, or one has it damaged.
    """
    target = data.omniglot.target
    misses: list[str] = []
    for source in data.sources:
        try:
            examples = _from(source, name, target)
        except UnavailableError as miss:
            misses.append(f"    {source}: {miss}")
            continue
        provenance = describe(name, source, examples, target)
        _report(name, provenance, misses)
        _write(folder / name, examples, provenance)
        return provenance
    raise DataError(
        "\n".join(
            [
                f"{name.upper()} is in none of data.sources: [{', '.join(data.sources)}].",
                *misses,
                MEND.format(name=name),
            ]
        )
    )


def _from(source: Source, name: DatasetName, target: Target) -> Examples:
    # Only what is used is imported: a stage is its own process.
    if source == "local":
        from deep_learning_dynamics.datasets import local

        return local.examples(name, target)
    if source == "download":
        from deep_learning_dynamics.datasets import download

        return download.examples(name, target)
    from deep_learning_dynamics.datasets import embedded

    return embedded.examples(name, target)


def _report(name: str, provenance: Provenance, misses: list[str]) -> None:
    if not provenance.original:
        lines = [
            f"warning: {name.upper()} itself could not be had. Used instead: {provenance.label}.",
            *misses,
            MEND.format(name=name),
        ]
    else:
        lines = misses and [f"{name.upper()} was not in:", *misses]
    if lines:
        print("\n".join(lines), file=sys.stderr, flush=True)


def _write(base: Path, examples: Examples, provenance: Provenance) -> None:
    from deep_learning_dynamics.stage import write_json

    base.parent.mkdir(parents=True, exist_ok=True)
    final = base.with_suffix(".npz")
    partial = final.with_name(f".{final.name}.partial")
    try:
        examples.save(partial)
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)
    write_json(base.with_suffix(".json"), provenance.as_json())
