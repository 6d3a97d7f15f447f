// Puts the drawings on the page and keeps them up to date.

const NULLS = { random_walk: "random walk", shuffled_steps: "shuffled steps" };
const panels = new Map(); // by a name; those of planes come and go, those of curves stay

function makePanel(name, parent, title, small, kind) {
  const box = document.createElement("div");
  box.className = kind;
  box.dataset.panel = name;
  const heading = box.appendChild(document.createElement("h3"));
  heading.textContent = title;
  if (small) heading.appendChild(document.createElement("small")).textContent = small;
  const drawing = box.appendChild(document.createElement("div"));
  drawing.className = "drawing";
  const plot = drawing.appendChild(document.createElement("div"));
  plot.className = "plot";
  parent.append(box);
  const panel = { name, box, drawing, plot, isNew: true };
  panels.set(name, panel);
  return panel;
}

function draw(panel, traces, layout) {
  const width = panel.drawing.clientWidth,
    height = panel.height;
  Object.assign(panel.plot.style, { width: `${width}px`, height: `${height}px` });
  panel.done = Plotly.react(panel.plot, traces, { ...layout, width, height }, CONFIG);
  if (panel.isNew) {
    panel.isNew = false;
    const numberOf = (event) => event.points[0]?.customdata?.[6] ?? null;
    panel.plot.on("plotly_hover", (event) => highlight(numberOf(event)));
    panel.plot.on("plotly_unhover", () => highlight(null));
    panel.plot.on("plotly_click", (event) => pin(numberOf(event)));
    panel.plot.on("plotly_relayout", () => overlayOn(panel));
    panel.plot.on("plotly_relayouting", () => overlayOn(panel));
  }
  overlayOn(panel);
}

function drawPanel(panel) {
  if (panel.curve) draw(panel, curveTraces(panel.curve), curveLayout(panel.curve));
  else {
    const { plane, places, small, height } = panel;
    const view = viewOf(plane, places, small, panel.drawing.clientWidth, height);
    draw(panel, tracesOf(plane, places, view.view), planeLayout(plane, places, small, view));
  }
}

const planePanels = () => [...panels.values()].filter((panel) => panel.plane);
const redrawAll = () => panels.forEach(drawPanel);

function highlight(number) {
  if (state.hovered === number) return;
  state.hovered = number;
  showHighlight();
}

function pin(number) {
  state.pinned = state.pinned === number ? null : number;
  showHighlight();
}

function showHighlight() {
  const number = highlighted();
  for (const box of byId("list").querySelectorAll("[data-network]")) {
    box.closest("label").classList.toggle("lit", +box.dataset.network === number);
  }
  panels.forEach(overlayOn);
}

let isDue = false; // many moves of the slider between two frames are one redrawing
function moveTo(time) {
  state.time = Math.min(Math.max(time, firstTime()), TIMES.length - 1);
  showTime();
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const before = performance.now();
    planePanels().forEach(drawPanel);
    panels.forEach((panel) => panel.curve && overlayOn(panel));
    window.report.drew = performance.now() - before;
  });
}

// Which planes are shown, and how large.
function arrange() {
  const shown = state.side ? PLANES : [PLANES[state.method]];
  const wanted = shown.flatMap((plane) => {
    const nulls = state.nulls ? Object.entries(plane.nulls) : [];
    return [[plane, plane, null], ...nulls.map(([kind, places]) => [plane, places, kind])];
  });
  const isMany = wanted.length > 1;
  for (const panel of planePanels()) {
    // Not before plotly is done with it, or it stumbles over what is gone.
    panel.done?.then(() => Plotly.purge(panel.plot));
    panel.box.remove();
    panels.delete(panel.name);
  }
  document.querySelector(".explorer").classList.toggle("wide", isMany);
  const room = byId("planes").clientWidth;
  const columns = !isMany ? 1 : room < 560 ? 1 : state.nulls ? 3 : Math.min(3, shown.length);
  byId("planes").style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  for (const [plane, places, kind] of wanted) {
    const title = kind
      ? `${isMany && state.side ? plane.title + ": " : ""}${NULLS[kind]}`
      : plane.title;
    const small = kind ? "nothing was learnt here" : state.side ? plane.quality : "";
    const panel = makePanel(
      `${plane.method} ${kind ?? "paths"}`,
      byId("planes"),
      title,
      small,
      kind ? "panel null" : "panel",
    );
    const width = room / columns;
    Object.assign(panel, {
      plane,
      places,
      small: isMany,
      height: Math.round(
        isMany
          ? Math.min(0.74 * width, 380)
          : Math.min(Math.max(innerHeight - 338, 340), 0.8 * width, 620),
      ),
    });
  }
  for (const list of document.querySelectorAll(".badges"))
    list.hidden = state.side || +list.dataset.method !== state.method;
  explain(shown);
  planePanels().forEach(drawPanel);
  fitCurves();
  panels.forEach((panel) => panel.curve && drawPanel(panel));
}

function explain(shown) {
  const parts = [];
  if (state.nulls)
    parts.push(
      "A null has a plane of its own: compare shapes, not places. Random walks take each network’s own step lengths in random directions, shuffled steps its own steps in random order.",
    );
  if (state.wobble)
    parts.push(
      "Ellipses show where refits (other random numbers, fewer networks) put a point: one root mean square displacement around it.",
    );
  if (state.nulls && shown.some((plane) => !Object.keys(plane.nulls).length))
    parts.push("This method has no nulls in this run.");
  byId("explained").textContent = parts.join(" ");
  byId("explained").hidden = !parts.length;
}

// Beside the plane the curves are together as high as it is.
function fitCurves() {
  const isBeside =
    getComputedStyle(byId("curves")).gridTemplateColumns.split(" ").length === 1 &&
    !document.querySelector(".explorer.wide");
  const beside = document.querySelector(".pictures").offsetHeight / DATA.curves.length - 8 - 24;
  for (const panel of panels.values()) {
    if (panel.curve)
      panel.height = panel.parent === "curves" && isBeside ? Math.max(beside, 190) : 220;
  }
}

// Paper has its own width, which scripts are told of only before it is laid out.
const PAPER = { width: 320, height: 210 };
function fitPaper(isPaper) {
  byId("parameters").open = isPaper;
  for (const panel of panels.values()) {
    if (!panel.curve) continue;
    if (isPaper) {
      Object.assign(panel.plot.style, { width: `${PAPER.width}px`, height: `${PAPER.height}px` });
      Plotly.relayout(panel.plot, PAPER);
    } else drawPanel(panel);
  }
}
addEventListener("beforeprint", () => fitPaper(true));
addEventListener("afterprint", () => fitPaper(false));

function begin() {
  buildList();
  buildChoices();
  buildTimeline();
  drawKey();
  showChosen();
  for (const [parent, curves] of [
    ["curves", DATA.curves],
    ["over-time", DATA.over_time],
  ]) {
    for (const curve of curves) {
      const panel = makePanel(curve.name, byId(parent), curve.title, "", "curve");
      Object.assign(panel, { curve, parent, height: 214 });
    }
  }
  showTime();
  arrange();
  let width = innerWidth,
    timer = null;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(arrange, 120);
  });
}

begin();
// For tests and for the curious.
window.report = { drew: 0, state, data: DATA, times: TIMES, panels, moveTo, highlight, logTicks };
