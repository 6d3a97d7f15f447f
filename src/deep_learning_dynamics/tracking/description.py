"""A run's description in MLflow's UI: the numbers that matter, and the sheet of figures."""

from deep_learning_dynamics.tracking.findings import Findings
from deep_learning_dynamics.tracking.identity import Identity

QUALITIES = (  # of quality.json, in words
    ("trustworthiness", "trustworthiness"),
    ("continuity", "continuity"),
    ("distance_correlation", "rank correlation of distances"),
    ("explained_variance", "explained variance"),
    ("reconstruction_error", "reconstruction error"),
)
LIMIT = 8000  # characters that MLflow keeps of a tag


def describe(run_id: str, identity: Identity, found: Findings, note: str = "") -> str:
    """Markdown for the tag ``mlflow.note.content``; what a person noted comes first."""
    # MLflow's UI strips images in data: addresses, and serves a run's files at this one. Without
    # a leading slash it also holds for a server that lives under a path.
    files = f"get-artifact?run_uuid={run_id}&path=preview"
    parts = [
        note.strip(),
        " · ".join(_accuracies(identity, found)),
        f"![All projections side by side]({files}/sheet.png)",
        _ranking(found),
        _qualities(found),
        f"![Learning curves]({files}/learning_curves.png)",
        _data(identity),
    ]
    return "\n\n".join(part for part in parts if part)[:LIMIT]


def _accuracies(identity: Identity, found: Findings) -> list[str]:
    mnist, omniglot = (identity.datasets[name].label for name in ("mnist", "omniglot"))
    names = {arm: f"{mnist}, {arm}" for arm in found.arms} | {"omniglot": omniglot}
    lines = []
    for who, name in names.items():
        accuracy = found.metrics.get(f"{who}.test_accuracy")
        if accuracy is not None:
            chance = found.metrics.get(f"{who}.chance")
            beside = "" if chance is None else f" (chance {chance:.1%})"
            failed = found.metrics.get(f"{who}.failed", 0)
            dead = f" ({failed:.0f} failed)" if failed else ""
            lines.append(f"{name}: **{accuracy:.1%}**{beside}{dead}")
    return [f"Median test accuracy – {lines[0]}", *lines[1:]] if lines else []


def _ranking(found: Findings) -> str:
    rows = [["projection&emsp;", "score&emsp;", "why"], ["---", "---:", "---"]]
    for entry in found.ranking:
        score = "–" if entry.score is None else f"{entry.score:.2f}"
        rows.append([f"{entry.rank}. {entry.method}", score, entry.reason])
    # Markdown joins tables that nothing parts.
    return f"How far each picture may be believed, the best first:\n\n{_table(rows)}"


def _qualities(found: Findings) -> str:
    columns = [
        (key, words)
        for key, words in QUALITIES
        if any(f"{method}.{key}" in found.metrics for method in found.methods)
    ]
    rows = [
        # MLflow's UI draws no lines and no space between columns.
        [f"{words}&emsp;" for words in ("projection", *(words for _, words in columns))],
        ["---", *("---:" for _ in columns)],
    ]
    for method in found.methods:
        values = [found.metrics.get(f"{method}.{key}") for key, _ in columns]
        rows.append([method, *("–" if value is None else f"{value:.3f}" for value in values)])
    return f"What of weight space each plane keeps:\n\n{_table(rows)}"


def _table(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _data(identity: Identity) -> str:
    return "\n".join(
        f"- **{entry.label}** (source: {entry.source}): {entry.counts.train:,} training and "
        f"{entry.counts.test:,} test images, {entry.classes} classes ({entry.target}). "
        f"{entry.description}"
        for entry in identity.datasets.values()
    )
