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

function layoutOf(method, title) {
  const axis = (range) => ({
    range, showgrid: false, zeroline: false, showticklabels: false, linecolor: "#c4c4c4",
    mirror: true, ticks: "",
  });
  return {
    margin: { l: 6, r: 6, t: title ? 22 : 6, b: 6 }, font: FONT, showlegend: false,
    title: title ? { text: title, font: { size: 12.5 }, x: 0.01, y: 0.985 } : undefined,
    hovermode: "closest", dragmode: "pan", plot_bgcolor: "#fff", paper_bgcolor: "#fff",
    xaxis: axis(method.frame.x), yaxis: { ...axis(method.frame.y), scaleanchor: "x" },
    shapes: method.cells.map(([points, grey]) => ({
      type: "path", path: `M${points}Z`, fillcolor: grey, line: { width: 1, color: "#fff" },
      layer: "below",
    })),
  };
}

function tracesOf(method, null_model) {
  const heavy = method.paths.length * 40 > 6000 ? "scattergl" : "scatter";
  const traces = [];
  for (const path of method.paths) {
    const network = data.networks[path.network];
    const group = data.groups[network.group];
    const [x, y] = null_model ? method.nulls[null_model][path.network] : [path.x, path.y];
    if (!x) continue;
    const shared = { type: heavy, meta: path.network, text: path.text, hoverinfo: "text" };
    if (path.start > 0) {
      traces.push({
        ...shared, mode: "lines", x: x.slice(0, path.start + 1), y: y.slice(0, path.start + 1),
        line: { color: "#8a8a8a", width: 1, dash: "dot" }, hoverinfo: "skip", part: "earlier",
      });
    }
    traces.push({
      ...shared, mode: "lines+markers", part: "path", x, y, full: [x, y, path],
      line: { color: group.colour, width: 1.4, dash: network.failed ? "dash" : "solid" },
      marker: {
        color: path.colours, size: path.size.slice(), opacity: path.opacity,
        symbol: path.symbols, line: { width: path.edges, color: group.dark },
      },
    });
  }
  for (const trace of traces.filter((each) => each.part === "path")) cut(trace);
  return traces;
}

// Shows a path from its own beginning (not that of the network it continues) up to the time.
function cut(trace) {
  const [x, y, path] = trace.full;
  let stop = path.start;
  while (stop < x.length && path.steps[stop] <= state.time) stop += 1;
  const part = (values) => values.slice(path.start, Math.max(stop, path.start + 1));
  trace.x = part(x);
  trace.y = part(y);
  trace.text = part(path.text);
  trace.marker.color = part(path.colours);
  trace.marker.size = part(path.size);
  trace.marker.symbol = part(path.symbols);
  trace.marker.line.width = part(path.edges);
  trace.marker.opacity = state.faded ? part(path.opacity) : 1;
}

function draw() {
  const chosen = state.method === "all" ? data.methods : [data.methods[state.method]];
  const planes = find("#planes");
  planes.className = state.method === "all" ? "many" : state.nulls ? "two" : "one";
  const wanted = chosen.flatMap((method) => {
    const title = state.method === "all" || state.nulls ? method.title : "";
    const panels = [{ method, title, null_model: "" }];
    if (state.nulls && method.nulls[state.nulls]) {
      panels.push({ method, title: data.null_models[state.nulls], null_model: state.nulls });
    }
    return panels;
  });
  all("#planes .plot").forEach((element) => Plotly.purge(element));
  planes.replaceChildren();
  for (const { method, title, null_model } of wanted) {
    const element = document.createElement("div");
    element.className = "plot";
    planes.append(element);
    const layout = layoutOf(method, title);
    if (null_model) {
      layout.xaxis.range = undefined;
      layout.yaxis.range = undefined;
    }
    Plotly.newPlot(element, tracesOf(method, null_model), layout, CONFIG);
    link(element);
  }
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

const marker = () => ({
  type: "line", yref: "paper", y0: 0, y1: 1, line: { width: 1, color: "#222" },
  x0: Math.min(state.time, data.last_step), x1: Math.min(state.time, data.last_step),
});

// Linking

function link(element) {
  element.on("plotly_hover", (event) => light(event.points[0].data.meta));
  element.on("plotly_unhover", () => light(null));
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
  all("#networks label").forEach((label) => {
    const index = Number(label.dataset.network);
    label.classList.toggle("lit", lit !== null && strength(index) > DIM);
  });
}

// Time

function setTime(position) {
  state.time = position >= data.steps.length - 1 ? Infinity : data.steps[position];
  find("#now").textContent = `step ${data.steps[position].toLocaleString("en")}`;
  for (const element of all("#planes .plot")) {
    const traces = element.data.map((trace, index) => [trace, index]);
    const paths = traces.filter(([trace]) => trace.part === "path");
    paths.forEach(([trace]) => cut(trace));
    Plotly.redraw(element);
  }
  Plotly.relayout(find("#curve"), { shapes: [marker()] });
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
  if (Number(slider.value) >= data.steps.length - 1) slider.value = 0;
  find("#play").textContent = "❚❚";
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    setTime(Number(slider.value));
    if (Number(slider.value) >= data.steps.length - 1) play();
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
  find("#time").max = data.steps.length - 1;
  find("#time").value = data.steps.length - 1;
  find("#time").addEventListener("input", (event) => setTime(Number(event.target.value)));
  find("#play").addEventListener("click", play);
  find("#now").textContent = `step ${data.last_step.toLocaleString("en")}`;
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
