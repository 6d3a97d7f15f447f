// What colour a piece of a path has, and the key that explains it. An arm is a hue; lightness is
// accuracy or time. Colours of single networks repeat after eight pairs.

const LEVELS = Object.values(DATA.arms)[0].ramp.length;

function levelOf(path, snapshot) {
  const share =
    state.colour === "epoch"
      ? along(TIMES_OF.train[snapshot]) / along(LAST)
      : placeOfAccuracy(DATA.curves[0].values.train[path.network][snapshot] ?? DATA.accuracy.low);
  return Math.round(share * (LEVELS - 1));
}

// What was not learnt has no accuracy: on a null the arm alone is told.
function colourOf(path, before, after, isNull) {
  const network = NETWORKS[path.network],
    arm = DATA.arms[network.arm];
  if (state.colour === "network") return network.colour;
  if (path.phase === "pretrain") return DATA.colours.grey;
  if (state.colour === "arm" || network.failed || (isNull && state.colour === "accuracy"))
    return arm.colour;
  return arm.ramp[Math.round((levelOf(path, before) + levelOf(path, after)) / 2)];
}

function drawKey() {
  const key = document.getElementById("key");
  key.replaceChildren();
  if (state.colour === "network") {
    key.textContent = "colours stand in the list of networks and repeat after eight pairs";
    return;
  }
  if (state.colour === "arm") return;
  const ramp = document.createElement("div");
  ramp.className = "ramp";
  for (const arm of Object.values(DATA.arms)) {
    const bar = document.createElement("i");
    bar.style.background = `linear-gradient(to right, ${arm.ramp.join(",")})`;
    ramp.append(bar);
  }
  const ticks =
    state.colour === "epoch"
      ? epochTicks().map((tick) => [along(tick) / along(LAST), String(tick)])
      : DATA.accuracy.ticks.map((tick) => [
          placeOfAccuracy(tick),
          String(+(100 * tick).toFixed(1)),
        ]);
  for (const [place, text] of ticks) {
    const tick = document.createElement("span");
    tick.style.left = `${100 * place}%`;
    tick.textContent = text;
    ramp.append(tick);
  }
  key.append(state.colour === "epoch" ? "epochs on MNIST" : "test accuracy (%)", ramp);
}

function epochTicks() {
  const ticks = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];
  return [0, ...ticks.filter((tick) => FIRST <= tick && tick <= LAST)];
}
