"""The page: everything about some runs in one file, whose bytes depend on the results alone."""

import base64
import io
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.figures import Style, caption, draw
from deep_learning_dynamics.figures.figure import FIGURES, available
from deep_learning_dynamics.files import replacing
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.projection.method import METHODS
from deep_learning_dynamics.report import tables
from deep_learning_dynamics.report.linked import LinkedNetworks, linked
from deep_learning_dynamics.store.opening import as_runs

if TYPE_CHECKING:
    import xarray as xr

    from deep_learning_dynamics.results import Results

MOST_MARKS, PNG_DPI = 5_000, 150  # of an SVG, beyond which a PNG is smaller
# Where figures stand; the page draws paths and learning curves itself.
SECTIONS = {
    "sheet": "sheet", "forest": "forest", "over_time": "measured", "by_parameter": "measured",
    "nulls": "nulls", "paths": "", "learning_curves": "",
}  # fmt: skip


@dataclass(frozen=True)
class About:
    """What the page says of its run besides the results; nothing here is compared or computed."""

    title: str = "Trajectories of learning"
    facts: tuple[tuple[str, str], ...] = ()  # name and value
    settings: str = ""  # as a file holds them
    replicate: str = ""  # a sentence
    footer: str = ""  # the run, its date, commit, versions and processor


def report(
    data: "Results | xr.Dataset | str | Path | Sequence[str | Path]",
    path: str | Path,
    *,
    by: str | None = None,
    about: About | None = None,
    **options: Any,
) -> Path:
    """Write the report of some runs as one HTML file.

    Args:
        data: results, opened stores, or paths of stores.
        by: the coordinate whose groups are compared.
        options: of ``Results.of``: methods, robustness, ...

    Raises:
        StoreError: a store cannot be opened.
        ParamsError: the path is that of a folder, or of no HTML file.
    """
    from deep_learning_dynamics.results import Results

    if Path(path).is_dir() or Path(path).suffix.lower() not in (".html", ".htm"):
        raise ParamsError(f"The report was to be {path}; expected a file such as report.html.")
    if not isinstance(data, Results):
        data = Results.of(as_runs(data), by=by, **options)
    with replacing(Path(path)) as partial:
        partial.write_text(page(data, about or About()), encoding="utf-8", newline="\n")
    return Path(path)


def page(results: "Results", about: About) -> str:
    """The report as HTML."""
    from jinja2 import Environment
    from jinja2.utils import htmlsafe_json_dumps
    from plotly.offline import get_plotlyjs

    networks = LinkedNetworks.of(results)
    methods = results.ranked
    data = linked(results, networks, methods)
    figures = defaultdict(list)
    for _, key, variant in available(results):
        of_analysis = "geometry" in FIGURES[key].needs
        section = SECTIONS.get(key, "geometry" if of_analysis else "others")
        if section:
            figures[section].append(_figure(results, key, variant))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= tables.FILTERS
    return environment.from_string(_asset("page.html")).render(
        about=about,
        style=_inside(_asset("style.css")),
        script=_inside(_asset("page.js")),
        plotly=_inside(get_plotlyjs()),
        data=htmlsafe_json_dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
        facts=about.facts or tables.facts(results, networks),
        datasets=results.provenance,
        verdict=results.comparisons.verdict if results.comparisons else None,
        methods=[tables.method(results, key) for key in methods],
        curves=data["curves"],
        groups=list(zip(networks.groups.titles.values(), data["groups"], strict=True)),
        networks=list(enumerate(networks.table.itertuples())),
        null_models=data["null_models"],
        shade=tables.shade(results, methods),
        comparisons=tables.contrasts(results),
        ranking=results.ranking,
        models=NULL_MODELS,
        path_tests=tables.path_tests(results),
        figures=figures,
    )


def _figure(results: "Results", key: str, variant: str) -> dict[str, Any]:
    """A figure as it stands on the page, with its title and caption."""
    title = FIGURES[key].title
    if variant in METHODS:
        title = f"{METHODS[variant].title}: {title[:1].lower()}{title[1:]}"
    return {
        "image": _image(results, key, variant),
        "caption": caption(key, results, variant),
        "title": title,
    }


def _image(results: "Results", key: str, variant: str) -> Any:
    """SVG, or PNG where there are so many marks that it is smaller."""
    from matplotlib.collections import Collection

    style = Style()
    figure = draw(key, results, style, variant)
    stream = io.BytesIO()
    marks = sum(
        max(len(each.get_paths()), len(each.get_offsets())) for each in figure.findobj(Collection)
    )
    with style.applied():
        if marks > MOST_MARKS:
            figure.savefig(stream, format="png", dpi=PNG_DPI, metadata={"Software": None})
            encoded = base64.b64encode(stream.getvalue()).decode()
            # As wide as a drawing, whose size is in inches.
            width = f"{96 * style.width:.0f}"
            return Markup(f'<img width="{width}" src="data:image/png;base64,{encoded}" alt="">')
        figure.savefig(stream, format="svg", metadata={"Date": None})
    svg = stream.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    # Identifiers of several drawings on one page must differ.
    prefix = f"{key}-{variant}-" if variant else f"{key}-"
    return Markup(re.sub(r'(\bid="|url\(#|href="#)', lambda found: found[1] + prefix, svg))


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text("utf-8")


def _inside(text: str) -> Any:
    """The content of a script or style element, which it must not end."""
    return Markup(text.replace("</", "<\\/"))
