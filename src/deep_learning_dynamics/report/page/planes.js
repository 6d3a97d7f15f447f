// The planes of the methods: what plotly draws of the paths up to the time of the slider. Few traces
// hold all paths, one for each look of a line, because every trace costs time at every redrawing.

// Steps from what the plane shows well to what lies as if put down by lot.
const FADES = DATA.fading.steps;
function fadeOf(faithfulness) {
  if (!state.fade || faithfulness === null || faithfulness === undefined) return 0;
  const { chance } = DATA.fading;
  return Math.round(FADES * (1 - Math.min(Math.max((faithfulness - chance) / (1 - chance), 0), 1)));
}
const opacityOf = (fade) => 1 - ((1 - DATA.fading.least) * fade) / FADES;

// `places` is a plane or one of its nulls, which have places and a frame alike.
// `view` is the part of the plane that the panel shows at first: left, right, bottom, top.
function tracesOf(plane, places, view) {
  const isNull = places !== plane;
  const drawn = PATHS.filter(isShown);
  const crowd = (10 / Math.max(new Set(drawn.map((path) => path.network)).size, 4)) ** 0.35;
  const width = Math.max(1.9 * crowd, 0.8),
    size = Math.max(9 * crowd, 4.5);
  const lines = new Map(),
    found = { starts: marks(), heads: marks(), failures: marks() };
  PATHS.forEach((path, number) => {
    if (!isShown(path)) return;
    const last = addLines(lines, plane, places, path, number, isNull);
    if (last >= 0) addMarks(found, places, path, number, last, isNull, view);
  });
  const scatter = { type: "scatter", hovertemplate: isNull ? HOVER_OF_NULL : HOVER };
  const traces = [...lines.values()]
    .sort((a, b) => (b.dash === "dot") - (a.dash === "dot"))
    .map((line) => ({
      ...scatter,
      uid: line.uid,
      mode: "lines",
      x: line.x,
      y: line.y,
      customdata: line.customdata,
      opacity: line.opacity,
      connectgaps: false,
      line: {
        color: line.colour,
        dash: line.dash,
        width: line.dash === "solid" ? width : 0.8 * width,
        simplify: false,
      },
    }));
  if (state.wobble && !isNull && plane.wobble) traces.unshift(...ellipses(plane, places));
  const { starts, heads, failures } = found;
  const marker = (of, uid, look) => ({
    ...scatter,
    uid,
    mode: "markers",
    x: of.x,
    y: of.y,
    customdata: of.customdata,
    marker: look,
  });
  const edge = { color: "#fff", width: 0.8 };
  traces.push(
    marker(starts, "starts", { color: "#fff", size, line: { color: starts.colours, width: 1.6 } }),
    marker(heads, "heads", { color: heads.colours, symbol: heads.symbols, size, line: edge }),
    marker(failures, "failures", {
      color: DATA.colours.ink,
      symbol: "x",
      size: size + 2,
      line: edge,
    }),
  );
  return traces;
}

// The path's pieces, each to the line of its look; the number of the last snapshot with a place.
function addLines(lines, plane, places, path, number, isNull) {
  const x = places.x[number],
    y = places.y[number];
  const faithfulness = isNull ? undefined : plane.faithfulness?.[number];
  const failed = isNull ? "" : NETWORKS[path.network].failed;
  const dash = path.phase === "pretrain" ? "dot" : failed ? "dash" : "solid";
  const count = taken(path.phase, now());
  let before = -1;
  for (let snapshot = 0; snapshot < count; snapshot++) {
    if (x[snapshot] === null) continue;
    if (before >= 0) {
      const fade = Math.max(fadeOf(faithfulness?.[before]), fadeOf(faithfulness?.[snapshot]));
      const line = lineOf(lines, dash, colourOf(path, before, snapshot, isNull), fade);
      if (line.path !== number || line.last !== before) {
        if (line.x.length) add(line, null, null, null);
        add(line, x[before], y[before], facts(path.phase, path.network, before));
      }
      add(line, x[snapshot], y[snapshot], facts(path.phase, path.network, snapshot));
      line.path = number;
      line.last = snapshot;
    }
    before = snapshot;
  }
  return before;
}

function lineOf(lines, dash, colour, fade) {
  const key = `${dash} ${colour} ${fade}`;
  if (!lines.has(key)) {
    const opacity = opacityOf(fade) * (dash === "dot" ? 0.8 : 1);
    lines.set(key, { ...marks(), uid: identifier(key), dash, colour, opacity, path: -1, last: -1 });
  }
  return lines.get(key);
}

// Where a path starts, where it is now or ended, or where it was lost.
function addMarks({ starts, heads, failures }, places, path, number, last, isNull, view) {
  const x = places.x[number],
    y = places.y[number],
    network = NETWORKS[path.network];
  const known = facts(path.phase, path.network, last);
  if (path.phase === "pretrain") {
    if (now() < 0) add(heads, x[last], y[last], known, DATA.colours.grey, "circle");
    return;
  }
  const dark = state.colour === "network" ? network.colour : DATA.arms[network.arm].dark;
  const first = x.findIndex((value) => value !== null);
  add(starts, x[first], y[first], facts(path.phase, path.network, first), dark);
  const isOver = x.slice(last + 1).every((value) => value === null);
  if (isOver && network.failed && !isNull) {
    add(failures, ...lastSeen(x, y, view), known);
  } else if (last > first) {
    add(heads, x[last], y[last], known, dark, isOver ? "square" : "circle");
  }
}

// plotly asks the page for classes named after these.
const identifier = (text) => text.replace(/\W+/g, "-");

const marks = () => ({ x: [], y: [], customdata: [], colours: [], symbols: [] });

function add(found, x, y, known, colour, symbol) {
  found.x.push(x);
  found.y.push(y);
  found.customdata.push(known);
  if (colour) found.colours.push(colour);
  if (symbol) found.symbols.push(symbol);
}
