// The slider of time and the player that moves it.

function buildTimeline() {
  const slider = byId("time");
  slider.max = TIMES.length - 1;
  slider.value = state.time;
  slider.addEventListener("input", () => {
    stop();
    moveTo(+slider.value);
  });
  byId("play").addEventListener("click", () => (playing ? stop() : play()));
  markTicks();
}

function firstTime() {
  return state.pretraining ? 0 : ZERO;
}

function markTicks() {
  byId("time").min = firstTime();
  const first = firstTime(),
    last = TIMES.length - 1;
  const marked = TIMES.flatMap((time, index) => {
    if (index < first) return [];
    if (index === first && time < 0) return [[index, "pre-training", "start"]];
    return epochTicks().includes(time) || time === LAST || time === 5
      ? [[index, String(time), ""]]
      : [];
  }).filter(([index], place, all) => {
    // Those that would touch the one before it are left out; 0 and the end never are.
    const before = all[place - 1];
    return !before || before[2] || (index - before[0]) / (last - first) > 0.05 || index === last;
  });
  byId("ticks").replaceChildren(
    ...marked.map(([index, text, side]) => {
      const tick = cell("span", text);
      tick.style.left = `${(100 * (index - first)) / (last - first || 1)}%`;
      if (side) tick.style.transform = "none";
      return tick;
    }),
  );
}

function showTime() {
  const time = now();
  const phase = time < 0 ? "pretrain" : "train";
  const snapshot = taken(phase, time) - 1;
  const step = DATA.phases[phase].steps[snapshot] ?? 0,
    epoch = DATA.phases[phase].epochs[snapshot] ?? 0;
  const text = `${time < 0 ? "pre-training, " : ""}epoch ${+epoch.toFixed(2)} · step ${grouped(step)}`;
  byId("now").textContent = text;
  byId("time").value = state.time;
  byId("time").setAttribute("aria-valuetext", text);
}

let playing = null; // the number of the next frame, to cancel it

function play() {
  if (state.time >= TIMES.length - 1) moveTo(firstTime());
  let before = performance.now();
  const advance = (moment) => {
    if (moment - before >= +byId("speed").value) {
      before = moment;
      moveTo(state.time + 1);
      if (state.time >= TIMES.length - 1) return stop();
    }
    playing = requestAnimationFrame(advance);
  };
  playing = requestAnimationFrame(advance);
  showPlaying(true);
}

function stop() {
  cancelAnimationFrame(playing);
  playing = null;
  showPlaying(false);
}

function showPlaying(isPlaying) {
  byId("play").textContent = isPlaying ? "❚❚" : "▶";
  byId("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
}
