// The list of networks: one switches them on and off in all panels, and points at them.

const byId = (id) => document.getElementById(id);

function buildList() {
  const arms = Object.keys(DATA.arms),
    pairs = [...new Set(NETWORKS.map((network) => network.pair))].sort((a, b) => a - b);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  head.append(cell("th", "pair"));
  for (const arm of arms) {
    const box = checkbox(`all ${DATA.arms[arm].label}`, (on) =>
      switchNetworks((network) => network.arm === arm, on),
    );
    box.dataset.arm = arm;
    const of = cell("th", "");
    of.append(labelled(box, DATA.arms[arm].label, DATA.arms[arm].colour));
    head.append(of);
  }
  const body = table.createTBody();
  for (const pair of pairs) {
    const row = body.insertRow();
    const box = checkbox(`pair ${pair}`, (on) =>
      switchNetworks((network) => network.pair === pair, on),
    );
    box.dataset.pair = pair;
    const name = cell("th", "");
    name.scope = "row";
    name.append(labelled(box, String(pair)));
    row.append(name);
    for (const arm of arms)
      row.append(networkCell(NETWORKS.findIndex((n) => n.arm === arm && n.pair === pair)));
  }
  byId("list").append(table);
}

function networkCell(number) {
  const of = cell("td", "");
  if (number < 0) return of;
  const network = NETWORKS[number];
  const box = checkbox(nameOf(network) + (network.failed ? ` (${network.failed})` : ""), (on) =>
    switchNetworks((_, n) => n === number, on),
  );
  box.dataset.network = number;
  const label = labelled(box, network.failed ? "✕" : "", network.colour);
  label.classList.toggle("failed", Boolean(network.failed));
  label.title = box.getAttribute("aria-label");
  label.addEventListener("pointerenter", () => highlight(number));
  label.addEventListener("pointerleave", () => highlight(null));
  box.addEventListener("focus", () => highlight(number));
  box.addEventListener("blur", () => highlight(null));
  of.append(label);
  return of;
}

function cell(name, text) {
  const found = document.createElement(name);
  found.textContent = text;
  return found;
}

function checkbox(name, changed) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = true;
  box.setAttribute("aria-label", name);
  box.addEventListener("change", () => changed(box.checked));
  return box;
}

function labelled(box, text, colour) {
  const label = document.createElement("label");
  label.append(box);
  if (colour) {
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour;
    label.append(swatch);
  }
  label.append(text);
  return label;
}

function switchNetworks(which, on) {
  NETWORKS.forEach((network, number) => {
    if (which(network, number)) state.on[number] = on;
  });
  showChosen();
  redrawAll();
}

// The boxes of pairs and arms stand for all of theirs: half filled where some are on.
function showChosen() {
  for (const box of byId("list").querySelectorAll("input")) {
    const { network, pair, arm } = box.dataset;
    const mine = NETWORKS.flatMap((of, number) =>
      network !== undefined
        ? number === +network
          ? [state.on[number]]
          : []
        : (pair !== undefined ? of.pair === +pair : of.arm === arm)
          ? [state.on[number]]
          : [],
    );
    box.checked = mine.every(Boolean);
    box.indeterminate = !box.checked && mine.some(Boolean);
    if (network !== undefined)
      box.closest("label").querySelector(".swatch").style.background =
        state.colour === "network"
          ? NETWORKS[+network].colour
          : DATA.arms[NETWORKS[+network].arm].colour;
  }
}
