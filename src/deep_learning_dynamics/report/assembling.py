"""The page itself: everything in one file, whose bytes depend on the experiment alone."""

import base64
import re
from collections import Counter
from html import escape
from pathlib import Path
from string import Template

from deep_learning_dynamics.figures import captions, palette
from deep_learning_dynamics.params import Pretrain
from deep_learning_dynamics.report import assets
from deep_learning_dynamics.report.badges import badges_html, standings_html
from deep_learning_dynamics.report.content import as_json, content, first_shown
from deep_learning_dynamics.report.drawing import hexadecimal, sketch
from deep_learning_dynamics.report.gathering import Dataset, Experiment
from deep_learning_dynamics.report.planes import frame, spread
from deep_learning_dynamics.report.tables import (
    measured_nulls_html,
    measures_html,
    ranking_html,
)

TITLE = "Learning MNIST, from scratch and pre-trained"


def assemble(experiment: Experiment) -> str:
    """The whole page as HTML.

    Raises:
        DataError: plotly.js is not installed.
    """
    scripts = "\n".join(assets.own(f"{name}.js") for name in assets.SCRIPTS)
    return Template(assets.own("page.html")).substitute(
        title=escape(_title(experiment)),
        style=assets.own("style.css").replace("/* palette */", _variables()),
        plotly=assets.plotly(),
        data=as_json(content(experiment)),
        scripts=f'(() => {{\n"use strict";\n{scripts}\n}})();',
        facts=_facts(experiment),
        datasets=_datasets(experiment),
        conclusion=_conclusion(experiment),
        methods=_methods(experiment),
        badges=_badges(experiment),
        legend=_legend(experiment),
        ranking=ranking_html(experiment.ranking),
        standings=_standings(experiment),
        measures=measures_html(experiment),
        measured_nulls=measured_nulls_html(experiment),
        parameters=escape(experiment.params_text),
        parameters_link=base64.b64encode(experiment.params_text.encode()).decode(),
    )


def write(page: str, path: Path) -> None:
    """The file is whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8", newline="\n")
    partial.replace(path)


def _title(experiment: Experiment) -> str:
    arms = experiment.networks.arms
    return TITLE if len(arms) == 2 else f"Learning MNIST, {captions.ARMS[arms[0]]}"


def _variables() -> str:
    """The palette of the figures as CSS variables."""
    colours = {
        "ink": palette.INK,
        "quiet": palette.QUIET,
        "grey": palette.GREY,
        "warning-text": palette.WARNING_TEXT,
        "warning-face": palette.WARNING_FACE,
    }
    for arm in captions.ARMS:
        colours[arm] = hexadecimal(palette.colour(arm))
        colours[f"{arm}-dark"] = hexadecimal(palette.colour(arm, 0.8))
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def _facts(experiment: Experiment) -> str:
    params, networks = experiment.params, experiment.networks
    counted = captions.count_of_networks(len(networks.pairs), len(networks.arms))
    widths = "–".join(str(width) for width in (784, *params.network.hidden_layers, 10))
    weights = experiment.projections[0].quality.weights
    tracked = "" if weights is None else f", {weights:,} weights of each"
    facts = [
        ("Networks", f"{counted}: {widths}, {params.network.activation}"),
        ("On MNIST", _training(params.train)),
        ("Snapshots", f"{len(networks.learning['train'].steps)} of each network{tracked}"),
        ("Failed", _failures(experiment)),
        ("Random streams", f"seed {params.seed}"),
    ]
    if "pretrained" in networks.arms:
        name = captions.name_of_omniglot(experiment.omniglot.provenance)
        facts.insert(2, ("Before, on " + name, _training(params.pretrain)))
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts
    )


def _training(settings: Pretrain) -> str:
    return (
        f"{settings.epochs} epochs, {settings.algorithm}, learning rate "
        f"{settings.learning_rate:g}, batches of {settings.batch_size}"
    )


def _failures(experiment: Experiment) -> str:
    failed = [n for n in experiment.networks.members if n.failed]
    counts = Counter((n.arm, n.failed) for n in failed)
    told = ", ".join(
        f"{count} {captions.ARMS[arm]} {'died' if how == 'dead' else how}"
        for (arm, how), count in counts.items()
    )
    total = len(experiment.networks.members)
    return f"{len(failed)} of {total} ({told})" if failed else f"none of {total}"


def _datasets(experiment: Experiment) -> str:
    used = [experiment.mnist]
    if "pretrained" in experiment.networks.arms:
        used.append(experiment.omniglot)
    return "".join(_dataset(dataset) for dataset in used)


def _dataset(dataset: Dataset) -> str:
    details, provenance = dataset.details, dataset.provenance
    counts = details.get("counts") or {}
    parts = []
    if counts:
        parts.append(f"{counts['train']:,} images to train on, {counts['test']:,} to test on")
    parts.append(f"{provenance.classes} classes")
    more = " ".join(str(details[name]) for name in ("description", "citation") if name in details)
    look = "" if provenance.original else ' class="stand-in"'
    warning = "" if provenance.original else " (a stand-in, not the original)"
    return (
        f"<li{look}><details><summary><b>{escape(provenance.label)}</b>{warning}: "
        f"{escape(', '.join(parts))}</summary><p>{escape(more)}</p></details></li>"
    )


def _conclusion(experiment: Experiment) -> str:
    if not experiment.conclusion:
        return "<p>No conclusion was written for this run.</p>"
    # A full stop, a space and a capital end a sentence; those in numbers and names do not.
    sentences = re.split(r"(?<=\.) (?=[A-Z])", experiment.conclusion.replace(" %", "\u00a0%"))
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _methods(experiment: Experiment) -> str:
    """The switch of methods: a picture of each, best first where they were ranked."""
    ranks = {entry.method: entry.rank for entry in experiment.ranking}
    first = first_shown(experiment)
    parts = []
    for number, projection in enumerate(experiment.projections):
        title = captions.TITLES[projection.method]
        trajectories = projection.trajectories
        picture = sketch(
            spread(trajectories, projection.map),
            frame(trajectories, projection.map),
            projection.map,
            escape(f"Final paths, {title}"),
        )
        rank = ranks.get(projection.method)
        place = "" if rank is None else f'<span class="rank" title="rank {rank}">{rank}</span>'
        quality = escape(captions.short_quality(projection))
        parts.append(
            f'<label class="method"><input type="radio" name="method" value="{number}"'
            f"{' checked' if number == first else ''}>{picture}<span class=caption>{place}"
            f'{escape(title)}</span><span class="quality">{quality}</span></label>'
        )
    return "".join(parts)


def _badges(experiment: Experiment) -> str:
    pairs = zip(experiment.projections, experiment.qualities, strict=True)
    first = first_shown(experiment)
    return "".join(
        f'<ul class="badges" data-method="{number}"{"" if number == first else " hidden"}>'
        f"{badges_html(projection, quality)}</ul>"
        for number, (projection, quality) in enumerate(pairs)
    )


def _legend(experiment: Experiment) -> str:
    """What the signs mean; colours are explained where they are chosen."""
    networks = experiment.networks
    entries = [
        (f'<i class="line {arm}"></i>', captions.ARMS[arm].capitalize()) for arm in networks.arms
    ]
    if "pretrain" in networks.learning:
        name = captions.name_of_omniglot(experiment.omniglot.provenance)
        entries.append(('<i class="line dotted"></i>', f"pre-training on {name}"))
    entries.append(('<i class="start"></i>', "start on MNIST"))
    entries.append(('<i class="end"></i>', "end"))
    if any(network.failed for network in networks.members):
        entries.append(('<i class="failed">✕</i>', "failed"))
    return "".join(f"<li>{sign}{escape(text)}</li>" for sign, text in entries)


def _standings(experiment: Experiment) -> str:
    tested = [p for p in experiment.projections if p.quality.nulls]
    if not tested:
        return "<p>The pictures were not compared with nulls in this run (trust.nulls is 0).</p>"
    return "".join(
        f"<details><summary>{escape(captions.TITLES[projection.method])}: this run’s numbers "
        f"against the nulls’</summary>{standings_html(projection)}</details>"
        for projection in tested
    )
