// Curves against time: a value of every network that is switched on, and the medians of the arms.
// Axes are drawn on scales of our own, so places and ticks are computed here.

const SCALES = {
  accuracy: {
    place: halvings,
    ticks: () => DATA.accuracy.curve_ticks.map((tick) => [tick, String(+(100 * tick).toFixed(1))]),
  },
  log: { place: (value) => (value > 0 ? Math.log10(value) : null), ticks: logTicks },
  linear: { place: (value) => value, ticks: null },
  angle: {
    place: (value) => value,
    ticks: () => [0, 45, 90, 135, 180].map((tick) => [tick, String(tick)]),
  },
};

function logTicks(low, high) {
  const tenths = Array.from({ length: 90 }, (_, tenth) => (10 + tenth) / 10);
  for (const bases of [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7], tenths]) {
    const ticks = [];
    for (let power = -9; power < 10; power++)
      for (const base of bases) ticks.push(base * 10 ** power);
    const seen = ticks.filter((tick) => low <= Math.log10(tick) && Math.log10(tick) <= high);
    if (seen.length >= 3 || bases === tenths)
      return seen
        .filter((_, index) => index % Math.ceil(seen.length / 7) === 0)
        .map((tick) => [tick, String(+tick.toPrecision(2))]);
  }
}

// A pair has one distance, whichever of the two is asked.
const FIRST_ARM = Object.keys(DATA.arms)[0];

function curvePoints(curve, phase, number) {
  const values = curve.values[phase]?.[number] ?? [];
  const { place } = SCALES[curve.scale];
  return values.map((value, snapshot) => [
    placeOfTime(TIMES_OF[phase][snapshot]),
    value === null ? null : place(value),
    snapshot,
  ]);
}

const phasesOf = (curve) =>
  Object.keys(curve.values).filter((phase) => phase === "train" || state.pretraining);

function curveTraces(curve) {
  const lines = new Map();
  NETWORKS.forEach((network, number) => {
    if (!state.on[number] || (curve.of_pairs && network.arm !== FIRST_ARM)) return;
    for (const phase of phasesOf(curve)) {
      const arm = DATA.arms[network.arm];
      const isGrey = phase === "pretrain" || curve.of_pairs;
      const colour =
        state.colour === "network" ? network.colour : isGrey ? DATA.colours.grey : arm.light;
      const dash = phase === "pretrain" ? "dot" : network.failed ? "dash" : "solid";
      const key = `${dash} ${colour}`;
      if (!lines.has(key)) lines.set(key, { ...marks(), key, colour, dash });
      const line = lines.get(key);
      for (const [x, y, snapshot] of curvePoints(curve, phase, number))
        add(line, x, y, facts(phase, number, snapshot));
      add(line, null, null, null);
    }
  });
  const traces = [...lines.values()].map((line) => ({
    type: "scatter",
    uid: identifier(line.key),
    mode: "lines",
    x: line.x,
    y: line.y,
    customdata: line.customdata,
    hovertemplate: HOVER,
    connectgaps: false,
    opacity: NETWORKS.length > 24 ? 0.6 : 0.85,
    line: { color: line.colour, width: 1, dash: line.dash, simplify: false },
  }));
  for (const [arm, look] of Object.entries(DATA.arms)) {
    const members = NETWORKS.flatMap((network, number) =>
      network.arm === arm && state.on[number] ? [number] : [],
    );
    if (members.length < 2 || (curve.of_pairs && arm !== FIRST_ARM)) continue;
    const { place } = SCALES[curve.scale];
    const middle = TIMES_OF.train.map((_, snapshot) => {
      const value = median(members.map((number) => curve.values.train[number][snapshot]));
      return value === null ? null : place(value);
    });
    const x = TIMES_OF.train.map(placeOfTime);
    // White below, so that it is seen above all others.
    for (const [colour, width] of [
      ["#fff", 4],
      [curve.of_pairs ? DATA.colours.ink : look.dark, 2.4],
    ]) {
      traces.push({
        type: "scatter",
        uid: identifier(`median ${arm} ${width}`),
        mode: "lines",
        x,
        y: middle,
        hoverinfo: "skip",
        line: { color: colour, width, simplify: false },
      });
    }
  }
  return traces;
}

function median(values) {
  const known = values
    .filter((value) => value !== null && value !== undefined)
    .sort((a, b) => a - b);
  if (!known.length) return null;
  const half = known.length >> 1;
  return known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2;
}

// The range of what networks that did not diverge have, whichever are switched on: so the axis
// stays where it is while networks come and go.
function rangeOf(curve) {
  if (curve.scale === "angle") return [0, 180];
  const places = NETWORKS.flatMap((network, number) =>
    network.failed === "diverged"
      ? []
      : phasesOf(curve).flatMap((phase) => curvePoints(curve, phase, number).map(([, y]) => y)),
  ).filter((y) => y !== null && Number.isFinite(y));
  if (!places.length) return [0, 1];
  let low = Infinity,
    high = -Infinity;
  for (const y of places) {
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  const free = 0.05 * (high - low || 1);
  return [curve.scale === "linear" ? Math.min(0, low) : low - free, high + free];
}

function curveLayout(curve) {
  const [low, high] = rangeOf(curve);
  const hasLeft = state.pretraining && "pretrain" in curve.values;
  const { ticks, place } = SCALES[curve.scale];
  const left = hasLeft ? -LEFT : 0,
    right = along(LAST);
  const times = epochTicks().map((time) => [along(time), String(time)]);
  if (hasLeft) times.unshift([-LEFT, `−${LENGTH}`]);
  const layout = {
    margin: { l: 40, r: 10, t: 4, b: 34 },
    font: FONT,
    hoverlabel: HOVER_LABEL,
    hovermode: "closest",
    hoverdistance: 14,
    modebar: MODEBAR,
    showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    uirevision: `${curve.name} ${hasLeft}`,
    shapes: [],
    xaxis: {
      range: [left - 0.02 * (right - left), right + 0.02 * (right - left)],
      zeroline: false,
      gridcolor: "#e9ebee",
      tickvals: times.map(([at]) => at),
      ticktext: times.map(([, text]) => text),
      title: { text: "epochs on MNIST", standoff: 2, font: FONT },
    },
    yaxis: { range: [low, high], zeroline: false, gridcolor: "#e9ebee", nticks: 6 },
  };
  if (ticks) {
    const found = ticks(low, high);
    layout.yaxis.tickvals = found.map(([value]) => place(value));
    layout.yaxis.ticktext = found.map(([, text]) => text);
  }
  if (hasLeft) {
    layout.shapes.push({
      type: "rect",
      xref: "x",
      yref: "paper",
      x0: left - 0.02 * (right - left),
      x1: 0,
      y0: 0,
      y1: 1,
      fillcolor: "#f3f4f6",
      line: { width: 0 },
      layer: "below",
    });
    layout.annotations = [
      {
        xref: "x",
        yref: "paper",
        x: left / 2,
        y: 1,
        yanchor: "top",
        showarrow: false,
        text: `pre-training<br>on ${DATA.omniglot}`,
        font: { size: 10, color: DATA.colours.quiet },
      },
    ];
  }
  if (curve.scale === "angle")
    layout.shapes.push({
      type: "line",
      xref: "paper",
      x0: 0,
      x1: 1,
      y0: 90,
      y1: 90,
      line: { width: 1, dash: "dot", color: DATA.colours.quiet },
    });
  return layout;
}
