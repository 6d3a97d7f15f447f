"""What sets runs apart, as their records say: parameters, data, code and environment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deep_learning_dynamics.lab.locks import causes, read_lock
from deep_learning_dynamics.tracking.files import fetch, has
from deep_learning_dynamics.tracking.fingerprints import DATASETS
from deep_learning_dynamics.tracking.records import Record
from deep_learning_dynamics.tracking.store import Connection

Values = tuple[str | None, ...]  # one for each run


@dataclass(frozen=True)
class Differences:
    """Only what differs is there; an absent value is None."""

    parameters: dict[str, Values]  # by dotted key
    data: dict[str, Values]  # by dataset: what it is and the beginning of its SHA-256
    code: dict[str, Values]  # "commit", and whether the code was the commit's
    code_files: tuple[str, ...]  # files and folders that stages read and that differ
    environment: dict[str, Values]  # versions and platform

    def __bool__(self) -> bool:
        return bool(self.parameters or self.data or self.code or self.environment)


def differences(connection: Connection, compared: Sequence[Record], scratch: Path) -> Differences:
    """What differs between runs."""
    tags = [record.tags for record in compared]
    same_code = len({each.get("fingerprint.code") for each in tags}) == 1
    code = {
        "commit": tuple(each.get("mlflow.source.git.commit", "unknown")[:10] for each in tags),
        "code": tuple(each.get("code", "unknown") for each in tags),
    }
    return Differences(
        _differing([record.parameters for record in compared]),
        dict(_data(tags)),
        {} if same_code else code,
        () if same_code else _code_files(connection, compared, scratch),
        _differing(
            [
                {k: v for k, v in each.items() if k.startswith("version.") or k == "platform"}
                for each in tags
            ]
        ),
    )


def _differing(each: Sequence[dict[str, str]]) -> dict[str, Values]:
    # In the order of the first; what only others have comes after it.
    keys = dict.fromkeys(key for values in each for key in values)
    values = {key: tuple(one.get(key) for one in each) for key in sorted(keys)}
    return {key: found for key, found in values.items() if len(set(found)) > 1}


def _data(tags: Sequence[dict[str, str]]) -> Iterator[tuple[str, Values]]:
    for name in DATASETS:
        digests = [each.get(f"data.{name}.sha256", "") for each in tags]
        if len(set(digests)) > 1:
            yield (
                name,
                tuple(
                    f"{each.get(f'data.{name}', 'unknown')} ({digest[:8]})"
                    for each, digest in zip(tags, digests, strict=True)
                ),
            )


def _code_files(
    connection: Connection, compared: Sequence[Record], scratch: Path
) -> tuple[str, ...]:
    if not all(has(connection, record, "dvc.lock") for record in compared):
        return ()
    first, *others = (
        read_lock(fetch(connection, record, "dvc.lock", scratch)) for record in compared
    )
    return tuple(sorted({path for other in others for path in causes(first, other).code}))
