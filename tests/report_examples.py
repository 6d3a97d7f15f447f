"""Made-up experiments for the report: a project's folder as the earlier stages leave it."""

import json

import numpy as np
import pyarrow as pa
from figure_examples import METHODS, write_projection
from pyarrow import parquet
from ruamel.yaml import YAML

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.figures.captions import TITLES

# A path of text through the page that would break it if it were not escaped.
NASTY = "<script>alert('x')</script> & \"quotes\" </script><!-- ünïcode ✕ \u2028"
CONCLUSION = (
    "Pre-trained networks took 99.2 steps, p < 0.05 & more. Their paths were longer (+5.3). "
    "With 5 pairs nothing can be concluded."
)
CURVES = (
    "speed",
    "turning_angle",
    "distance_to_start",
    "distance_to_end",
    "distance_to_partner",
    "distance_within_arm",
)


def write_experiment(
    root,
    raw,
    methods=METHODS,
    pairs=5,
    arms=("scratch", "pretrained"),
    failures=None,
    layers=(0,),
    snapshots=38,
    tested=True,
    original=True,
    ranked=True,
    best=None,
    conclusion=CONCLUSION,
    reason="Keeps neighbourhoods, 0.996.",
):
    """A whole project's outputs in ``root``, and the checked parameters that go with them.

    ``raw`` are the plain default parameters, which this changes.
    """
    root.mkdir(parents=True, exist_ok=True)
    raw["project"]["methods"] = list(methods)
    raw["train"]["networks"], raw["train"]["arms"] = pairs, list(arms)
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        file.write("# as a person wrote it: <b> & co\n")
        YAML().dump(raw, file)
    for method in methods:
        write_projection(
            root / "projections" / method, method, pairs, arms, failures, layers, snapshots, tested
        )
    _write_data(root / "data", original)
    epochs = np.unique(_read(root, methods[0], "train"))
    _write_measures(root, pairs, arms, failures or {}, epochs, conclusion, tested)
    scores = {"neighbourhoods": 0.98, "distances": 0.7, "paths": None, "stability": 0.8}
    ranking = [
        {"rank": place, "method": m, "title": TITLES[m], "score": 0.83, **scores, "reason": reason}
        for place, m in enumerate(sorted(methods, key=lambda m: m != best), start=1)
    ]
    _write(root / "ranking" / "ranking.json", ranking if ranked else [])
    return parameters.validate(raw)


def _read(root, method, phase):
    table = parquet.read_table(root / "projections" / method / "coordinates.parquet").to_pandas()
    return table[table["phase"] == phase]["epoch"].to_numpy()


def _write_data(folder, original):
    for name, label, classes in (("mnist", "MNIST", 10), ("omniglot", "OMNIGLOT", 30)):
        is_original = original or name == "mnist"
        _write(
            folder / f"{name}.json",
            {
                "label": label if is_original else f"{label} stand-in: glyphs {NASTY}",
                "original": is_original,
                "classes": classes,
                "counts": {"train": 60000, "test": 10000},
                "description": "Handwritten <digits>.",
                "citation": "Somebody & Co, 2015.",
            },
        )


def _write_measures(root, pairs, arms, failures, epochs, conclusion, tested):
    rng = np.random.default_rng(0)
    comparison = {
        "layer": [0, 0, 1],
        "measure": ["path_length", "final_accuracy", "path_length"],
        "pairs": [pairs] * 3,
        "first": [95.2, 0.873, 20.0],
        "second": [112.0, 0.87, 22.0],
        "difference": [51.2, -0.0036, 2.0],
        "low": [3.55, -0.724, np.nan],
        "high": [104.0, 0.78, np.nan],
        "effect_size": [0.6, -0.2, 1.0],
        "effect_low": [0.2, -0.9, np.nan],
        "effect_high": [1.0, 0.5, np.nan],
        "adjusted_p": [0.01, 1.0, np.nan],
    }
    if len(arms) < 2:
        comparison = {name: values[:0] for name, values in comparison.items()}
    networks = [(arm, pair) for arm in arms for pair in range(pairs)]
    rows = [(arm, pair, epoch) for arm, pair in networks for epoch in epochs]
    over_time = {
        "phase": ["train"] * len(rows),
        "arm": [arm for arm, *_ in rows],
        "pair": [pair for _, pair, _ in rows],
        "failed": [failures.get((arm, pair), "") for arm, pair, _ in rows],
        "layer": [0] * len(rows),
        "epoch": [epoch for *_, epoch in rows],
    }
    over_time |= {name: rng.uniform(0.1, 100, len(rows)) for name in CURVES}
    measures = {
        "phase": ["train"] * len(networks),
        "arm": [arm for arm, _ in networks],
        "pair": [pair for _, pair in networks],
        "layer": [0] * len(networks),
        "measure": ["path_length"] * len(networks),
        "value": [1.0] * len(networks),
    }
    (root / "measures").mkdir(exist_ok=True)
    tables = {"comparison": comparison, "over_time": over_time, "measures": measures}
    for name, columns in tables.items():
        parquet.write_table(pa.table(columns), root / "measures" / f"{name}.parquet")
    standing = {"value": 0.23, "low": 0.17, "median": 0.171, "high": 0.18, "p_value": 0.0002}
    summary = {
        "arms": {arm: {} for arm in arms},
        "pairs_needed": 9,
        "can_conclude": False,
        "conclusion": conclusion,
        "nulls": {"straightness": {"random_walk": dict.fromkeys(arms, standing)}} if tested else {},
    }
    _write(root / "metrics" / "measures.json", summary)


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
