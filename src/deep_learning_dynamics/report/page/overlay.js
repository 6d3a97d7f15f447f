// What lies over plotly's drawings and moves often: the network that is pointed at, and the line of
// the slider's time. Drawing these by hand takes no time, where plotly would draw everything again.

const SVG = "http://www.w3.org/2000/svg";

function overlayOn(panel) {
  const size = panel.plot._fullLayout?._size;
  if (!size) return;
  panel.overlay ??= panel.drawing.appendChild(document.createElementNS(SVG, "svg"));
  panel.overlay.setAttribute("class", "overlay");
  Object.assign(panel.overlay.style, {
    left: `${size.l}px`,
    top: `${size.t}px`,
    width: `${size.w}px`,
    height: `${size.h}px`,
  });
  panel.overlay.replaceChildren();
  const number = highlighted();
  const isOn = number !== null && state.on[number];
  panel.plot.classList.toggle("dimmed", isOn);
  if (panel.curve) drawTimeLine(panel, size);
  if (!isOn) return;
  const colour =
    state.colour === "network" ? NETWORKS[number].colour : DATA.arms[NETWORKS[number].arm].dark;
  for (const { points, dash } of panel.curve
    ? linesOfCurve(panel.curve, number)
    : linesOfPlane(panel, number)) {
    stroke(panel, points, "#fff", 6);
    stroke(panel, points, colour, 3, dash);
    const last = points.at(-1);
    if (last && !panel.curve) dot(panel, last, colour);
  }
}

function linesOfPlane({ places }, number) {
  const found = [];
  PATHS.forEach((path, index) => {
    if (path.network !== number || !isShown(path)) return;
    const points = [];
    for (let snapshot = 0; snapshot < taken(path.phase, now()); snapshot++) {
      if (places.x[index][snapshot] !== null)
        points.push([places.x[index][snapshot], places.y[index][snapshot]]);
    }
    if (points.length) found.push({ points, dash: path.phase === "pretrain" ? "1 5" : null });
  });
  return found;
}

function linesOfCurve(curve, number) {
  return phasesOf(curve).map((phase) => ({
    points: curvePoints(curve, phase, number).filter(([, y]) => y !== null),
    dash: phase === "pretrain" ? "1 5" : null,
  }));
}

const pixels = ({ plot }, [x, y]) => {
  const { xaxis, yaxis } = plot._fullLayout;
  const within = (value) => Math.min(Math.max(value, -1e5), 1e5);
  return [within(xaxis.l2p(x)), within(yaxis.l2p(y))];
};

function element(panel, name, attributes) {
  const node = panel.overlay.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes))
    if (value !== null) node.setAttribute(key, value);
}

function stroke(panel, points, colour, width, dash = null) {
  const d = points
    .map(
      (point, index) =>
        `${index ? "L" : "M"}${pixels(panel, point)
          .map((v) => v.toFixed(1))
          .join(" ")}`,
    )
    .join("");
  element(panel, "path", {
    d,
    fill: "none",
    stroke: colour,
    "stroke-width": width,
    "stroke-linejoin": "round",
    "stroke-linecap": "round",
    "stroke-dasharray": dash,
    class: "highlight",
  });
}

function dot(panel, point, colour) {
  const [cx, cy] = pixels(panel, point);
  element(panel, "circle", { cx, cy, r: 5, fill: colour, stroke: "#fff", "stroke-width": 1.5 });
}

function drawTimeLine(panel, size) {
  const time = now();
  if (time < 0 && !("pretrain" in panel.curve.values)) return;
  const x = pixels(panel, [placeOfTime(time), 0])[0];
  element(panel, "line", {
    x1: x,
    x2: x,
    y1: 0,
    y2: size.h,
    stroke: DATA.colours.ink,
    "stroke-width": 1.4,
    class: "now",
  });
}
