// Linked pictures: paths in the plane, learning curves, a list of networks, and time.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const state = { method: 0, hidden: new Set(), lit: null, time: Infinity, faded: true, nulls: "" };
const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false, scrollZoom: true };
const FONT = { family: "system-ui, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif", size: 12 };
const DIM = 0.12;

// Paths

function layoutOf(frame, cells, title) {
  const axis = (range) => ({
    range, showgrid: false, zeroline: false, showticklabels: false, linecolor: "#c4c4c4",
    mirror: true, ticks: "",
  });
  return {
    margin: { l: 6, r: 6, t: title ? 22 : 6, b: 6 }, font: FONT, showlegend: false,
    title: title ? { text: title, font: { size: 12.5 }, x: 0.01, y: 0.985 } : undefined,
    hovermode: "closest", dragmode: "pan", plot_bgcolor: "#fff", paper_bgcolor: "#fff",
    xaxis: axis(frame.x), yaxis: { ...axis(frame.y), scaleanchor: "x" },
    shapes: cells.map(([points, grey]) => ({
      type: "path", path: `M${points}Z`, fillcolor: grey, line: { width: 1, color: "#fff" },
      layer: "below",
    })),
  };
}

// Two traces for a path: what came before, dotted, and the path itself up to the time.
function tracesOf(paths) {
  const type = paths.length > 150 ? "scattergl" : "scatter";
  return paths.flatMap((path) => [
    {
      type, mode: "lines", meta: path.network, x: path.before[0], y: path.before[1],
      line: { color: "#8a8a8a", width: 1, dash: "dot" }, hoverinfo: "skip",
    },
    { type, mode: "lines+markers", meta: path.network, hoverinfo: "text", ...upToNow(path) },
  ]);
}

function upToNow(path) {
  const network = data.networks[path.network];
  const group = data.groups[network.group];
  const all_seen = path.steps[path.steps.length - 1] <= state.time;
  const length = all_seen ? path.steps.length : Math.max(1, path.steps.filter((s) => s <= state.time).length);
  const part = (values) => values.slice(0, length);
  const marks = (plain, start, end) => path.steps.slice(0, length).map((_, at) =>
    at === 0 ? start : all_seen && at === length - 1 ? end : plain);
  return {
    path, x: part(path.x), y: part(path.y), text: part(path.text),
    line: { color: group.colour, width: 1.4, dash: network.failed ? "dash" : "solid" },
    marker: {
      color: part(path.colours), opacity: state.faded ? part(path.inks) : 1,
      symbol: marks("circle", "circle-open", network.failed ? "x-thin" : group.symbol),
      size: marks(4, 9, network.failed ? 10 : 8),
      line: { color: group.dark, width: marks(0, 1.5, network.failed ? 2 : 0.5) },
    },
  };
}

function draw() {
  const chosen = state.method === "all" ? data.methods : [data.methods[state.method]];
  const planes = find("#planes");
  planes.className = state.method === "all" ? "many" : state.nulls ? "two" : "one";
  all("#planes .plot").forEach((element) => Plotly.purge(element));
  planes.replaceChildren();
  const panels = chosen.flatMap((method) => {
    const title = state.method === "all" || state.nulls ? method.title : "";
    const beside = method.nulls[state.nulls];
    if (!beside) return [[method, method.cells, title]];
    // Both at the snapshots of the null model: a path of more snapshots looks less smooth.
    const real = { paths: beside.real, frame: method.frame };
    return [[real, method.cells, title], [beside, [], data.null_models[state.nulls]]];
  });
  const shares = new Set(chosen.flatMap((method) => method.nulls[state.nulls]?.snapshots ?? []));
  find("#null-note").hidden = !shares.size;
  find("#null-snapshots").textContent = [...shares].join("; ");
  // All have their places before any is drawn, because a plot takes the width that it finds.
  const elements = panels.map(() => planes.appendChild(document.createElement("div")));
  panels.forEach(([plane, cells, title], at) => {
    elements[at].className = "plot";
    Plotly.newPlot(elements[at], tracesOf(plane.paths), layoutOf(plane.frame, cells, title), CONFIG);
    link(elements[at]);
  });
  all("[data-method]").forEach((element) => {
    element.hidden = state.method !== "all" && Number(element.dataset.method) !== state.method;
  });
  emphasise();
}

function drawCurves() {
  const element = find("#curve");
  const curve = data.curves[Number(find("#score").value)];
  const traces = curve.lines.map((line) => {
    const network = data.networks[line.network];
    return {
      type: "scatter", mode: "lines", x: line.x, y: line.y, meta: line.network,
      text: `${network.title}`, hovertemplate: `%{text}<br>step %{x}: %{y:.4g}<extra></extra>`,
      line: {
        color: data.groups[network.group].colour, width: 1.1, dash: network.failed ? "dash" : "solid",
      },
    };
  });
  const axis = { gridcolor: "#eceef1", zeroline: false, linecolor: "#c4c4c4" };
  Plotly.newPlot(element, traces, {
    margin: { l: 46, r: 8, t: 8, b: 36 }, font: FONT, showlegend: false, hovermode: "closest",
    xaxis: { ...axis, title: { text: "step", standoff: 4 } },
    yaxis: {
      ...axis, type: curve.log ? "log" : "linear", tickformat: curve.percent ? ".0%" : undefined,
    },
    shapes: [marker()],
  }, CONFIG);
  link(element);
  emphasise();
}

const last = data.steps.length - 1;
const marker = () => {
  const now = Math.min(state.time, data.steps[last]);
  return { type: "line", yref: "paper", y0: 0, y1: 1, x0: now, x1: now, line: { width: 1, color: "#222" } };
};

// Linking

let pointed = false; // by a mouse; a finger only taps
function link(element) {
  const point = (network) => {
    pointed = network !== null;
    light(network);
  };
  element.on("plotly_hover", (event) => point(event.points[0].data.meta));
  element.on("plotly_unhover", () => point(null));
  element.on("plotly_click", (event) => {
    const network = event.points[0].data.meta;
    if (!pointed) light(network === state.lit ? null : network);
  });
}

let waiting = 0;
function light(network) {
  if (network === state.lit) return;
  state.lit = network;
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(emphasise);
}

// The network under the pointer and its partners stay, the others step back.
function emphasise() {
  const lit = state.lit === null ? null : data.networks[state.lit];
  const strength = (index) => {
    if (state.hidden.has(index)) return 0;
    if (lit === null || index === state.lit) return 1;
    return lit.pair !== "" && data.networks[index].pair === lit.pair ? 0.75 : DIM;
  };
  for (const element of all(".plot")) {
    if (!element.data) continue;
    const opacity = element.data.map((trace) => strength(trace.meta));
    Plotly.restyle(element, { opacity, visible: opacity.map((value) => value > 0) });
  }
  all("#networks label[data-network]").forEach((label) => {
    const index = Number(label.dataset.network);
    label.classList.toggle("lit", lit !== null && strength(index) > DIM);
  });
}

// Time

function setTime(position) {
  state.time = position >= last ? Infinity : data.steps[position];
  find("#now").textContent = `step ${data.steps[position].toLocaleString("en")}`;
  for (const element of all("#planes .plot")) {
    element.data.filter((trace) => trace.path).forEach((trace) => {
      Object.assign(trace, upToNow(trace.path));
    });
    Plotly.redraw(element);
  }
  if (data.curves.length) Plotly.relayout(find("#curve"), { shapes: [marker()] });
}

let playing = 0;
function play() {
  const slider = find("#time");
  clearInterval(playing);
  if (playing) {
    playing = 0;
    find("#play").textContent = "▶";
    return;
  }
  if (Number(slider.value) >= last) slider.value = 0;
  find("#play").textContent = "❚❚";
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    setTime(Number(slider.value));
    if (Number(slider.value) >= last) play();
  }, 180);
}

// Controls

function start() {
  all("input[name=method]").forEach((input) => input.addEventListener("change", () => {
    state.method = input.value === "all" ? "all" : Number(input.value);
    draw();
  }));
  find("#faded").addEventListener("change", (event) => {
    state.faded = event.target.checked;
    draw();
  });
  find("#nulls").addEventListener("change", (event) => {
    state.nulls = event.target.value;
    draw();
  });
  find("#score").addEventListener("change", drawCurves);
  find("#time").max = last;
  find("#time").value = last;
  find("#time").addEventListener("input", (event) => setTime(Number(event.target.value)));
  find("#play").addEventListener("click", play);
  find("#now").textContent = `step ${data.steps[last].toLocaleString("en")}`;
  all("#networks input[data-network]").forEach((input) => {
    const index = Number(input.dataset.network);
    input.addEventListener("change", () => {
      state.hidden[input.checked ? "delete" : "add"](index);
      emphasise();
    });
    input.parentElement.addEventListener("pointerenter", () => light(index));
    input.parentElement.addEventListener("pointerleave", () => light(null));
  });
  all("#networks input[data-group]").forEach((input) => input.addEventListener("change", () => {
    all(`#networks input[data-of="${input.dataset.group}"]`).forEach((each) => {
      each.checked = input.checked;
      state.hidden[input.checked ? "delete" : "add"](Number(each.dataset.network));
    });
    emphasise();
  }));
  if (data.methods.length) draw();
  if (data.curves.length) drawCurves();
}
start();
})();
