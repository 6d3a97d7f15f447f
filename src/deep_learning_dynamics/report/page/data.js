// What was measured, and what the reader chose. Times are epochs on MNIST; the pre-training comes
// before 0, its last epoch ending there.

const DATA = JSON.parse(document.getElementById("data").textContent);
const NETWORKS = DATA.networks,
  PATHS = DATA.paths,
  PLANES = DATA.planes;
const HAS_PRETRAINING = "pretrain" in DATA.phases;
const LENGTH = HAS_PRETRAINING ? DATA.phases.pretrain.epochs.at(-1) : 0;
const TIMES_OF = {};
for (const [phase, { epochs }] of Object.entries(DATA.phases)) {
  TIMES_OF[phase] = epochs.map((epoch) =>
    phase === "train" ? epoch : +(epoch - LENGTH).toFixed(4),
  );
}
const TIMES = [...new Set(Object.values(TIMES_OF).flat())].sort((a, b) => a - b);
const ZERO = TIMES.indexOf(0);
const LAST = TIMES.at(-1);
const FIRST = TIMES_OF.train.find((time) => time > 0) ?? 1;

const state = {
  time: TIMES.length - 1, // which of TIMES
  method: DATA.first, // which of PLANES
  side: false, // all methods side by side
  nulls: false,
  pretraining: HAS_PRETRAINING,
  fade: true,
  wobble: false,
  magnify: false,
  layer: "all",
  colour: "accuracy",
  on: NETWORKS.map(() => true),
  pinned: null, // the number of a network that was clicked
  hovered: null,
};

const now = () => TIMES[state.time];
const highlighted = () => state.hovered ?? state.pinned;

// How many of a phase's snapshots were taken up to a time.
function taken(phase, time) {
  const times = TIMES_OF[phase];
  let count = 0;
  while (count < times.length && times[count] <= time) count++;
  return count;
}

function isShown(path) {
  return (
    state.on[path.network] &&
    (path.phase === "train" || state.pretraining) &&
    (state.layer === "all" || state.layer === path.layer)
  );
}

const nameOf = (network) => `pair ${network.pair}, ${DATA.arms[network.arm].label}`;
const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

// Where an epoch lies along the axis of curves: logarithmic from the first snapshot after the
// start on, so that the first epoch is seen; the pre-training is linear, to the left of 0.
const LINEAR = 0.35;
const along = (time) =>
  time <= FIRST ? (LINEAR * time) / FIRST : LINEAR + Math.log10(time / FIRST);
const LEFT = 0.32 * along(LAST);
const placeOfTime = (time) => (time < 0 ? (time / LENGTH) * LEFT : along(time));

// Even steps of the logarithm of the error, as the colours have.
const halvings = (accuracy) => -Math.log2(1 - Math.min(Math.max(accuracy, 0), 0.999));

function placeOfAccuracy(accuracy) {
  const low = halvings(DATA.accuracy.low),
    high = halvings(DATA.accuracy.high);
  return Math.min(Math.max((halvings(accuracy) - low) / (high - low), 0), 1);
}

// What is told of a network at a snapshot; kept, because every redrawing shows it again.
const told = new Map();
function facts(phase, number, snapshot) {
  const key = `${phase} ${number} ${snapshot}`;
  if (!told.has(key)) {
    const { steps, epochs } = DATA.phases[phase];
    const [accuracy, loss] = DATA.curves.map((curve) => curve.values[phase][number][snapshot]);
    told.set(key, [
      nameOf(NETWORKS[number]),
      phase === "train" ? "on MNIST" : `pre-training on ${DATA.omniglot}`,
      grouped(steps[snapshot]),
      String(+epochs[snapshot].toFixed(2)),
      accuracy === null ? "–" : `${(100 * accuracy).toFixed(1)} %`,
      loss === null ? "–" : loss.toPrecision(3),
      number,
    ]);
  }
  return told.get(key);
}
const HOVER_OF_NULL =
  "<b>%{customdata[0]}</b><br>a null with the steps of this network: step %{customdata[2]}, " +
  "epoch %{customdata[3]}<extra></extra>";
const HOVER =
  "<b>%{customdata[0]}</b><br>%{customdata[1]}: step %{customdata[2]}, epoch %{customdata[3]}<br>" +
  "test accuracy %{customdata[4]}, loss %{customdata[5]}<extra></extra>";
