// What else the reader can choose.

function buildChoices() {
  for (const name of ["side", "nulls", "fade", "wobble", "magnify"]) {
    byId(name).checked = state[name];
    byId(name).addEventListener("change", () => {
      state[name] = byId(name).checked;
      arrange();
    });
  }
  byId("pretraining").checked = state.pretraining;
  byId("pretraining").addEventListener("change", () => {
    state.pretraining = byId("pretraining").checked;
    state.time = Math.max(state.time, firstTime());
    markTicks();
    showTime();
    redrawAll();
  });
  byId("pretraining").closest("label").hidden = !HAS_PRETRAINING;
  offer(
    "nulls",
    PLANES.some((plane) => Object.keys(plane.nulls).length),
    "no nulls were computed in this run (trust.nulls is 0)",
  );
  offer(
    "wobble",
    PLANES.some((plane) => plane.wobble),
    "nothing was refitted in this run (trust.seeds and trust.folds are 0)",
  );
  offer(
    "magnify",
    PLANES.some((plane) => plane.detail),
    "no path went so far that the others look like a dot",
  );
  offer(
    "fade",
    PLANES.some((plane) => plane.faithfulness),
    "this was not computed in this run",
  );
  byId("colour").value = state.colour;
  byId("colour").addEventListener("change", () => {
    state.colour = byId("colour").value;
    drawKey();
    showChosen();
    redrawAll();
  });
  for (const radio of document.querySelectorAll("[name=method]")) {
    radio.checked = +radio.value === state.method;
    radio.addEventListener("change", () => {
      state.method = +radio.value;
      arrange();
    });
  }
  byId("all").addEventListener("click", () => switchNetworks(() => true, true));
  byId("none").addEventListener("click", () => switchNetworks(() => true, false));
  const layers = [...new Set(PATHS.map((path) => path.layer))];
  byId("layers").hidden = layers.length < 2;
  byId("layer").append(...["all", ...layers].map((layer) => new Option(layer, layer)));
  byId("layer").addEventListener("change", () => {
    state.layer = byId("layer").value === "all" ? "all" : +byId("layer").value;
    redrawAll();
  });
}

function offer(name, isThere, why) {
  byId(name).disabled = !isThere;
  if (!isThere) byId(name).closest("label").title = why;
}
