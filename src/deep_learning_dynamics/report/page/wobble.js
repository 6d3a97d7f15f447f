// Where refits put a point: ellipses of one root mean square, a few along each path.

const ELLIPSES = 7,
  CORNERS = 24;
function ellipses(plane, places) {
  const found = {};
  const rows = [];
  PATHS.forEach((path, number) => {
    if (!isShown(path)) return;
    const count = taken(path.phase, now()),
      every = Math.ceil(places.x[number].length / ELLIPSES);
    for (let snapshot = 0; snapshot < count; snapshot++) {
      if (places.x[number][snapshot] === null || plane.wobble[0][number][snapshot] === null)
        continue;
      if (snapshot % every === 0 || snapshot === count - 1) rows.push([path, number, snapshot]);
    }
  });
  rows.forEach(([path, number, snapshot]) => {
    const arm = path.phase === "pretrain" ? "grey" : NETWORKS[path.network].arm;
    const trace = (found[arm] ??= { x: [], y: [] });
    const [xx, xy, yy] = plane.wobble.map((part) => part[number][snapshot]);
    const middle = (xx + yy) / 2,
      apart = Math.hypot((xx - yy) / 2, xy);
    const long = Math.sqrt(Math.max(middle + apart, 0)),
      short = Math.sqrt(Math.max(middle - apart, 0));
    const turn = Math.atan2(2 * xy, xx - yy) / 2;
    for (let corner = 0; corner <= CORNERS; corner++) {
      const angle = (2 * Math.PI * corner) / CORNERS;
      const a = long * Math.cos(angle),
        b = short * Math.sin(angle);
      trace.x.push(places.x[number][snapshot] + a * Math.cos(turn) - b * Math.sin(turn));
      trace.y.push(places.y[number][snapshot] + a * Math.sin(turn) + b * Math.cos(turn));
    }
    trace.x.push(null);
    trace.y.push(null);
  });
  return Object.entries(found).map(([arm, { x, y }]) => ({
    type: "scatter",
    uid: identifier(`wobble ${arm}`),
    mode: "lines",
    x,
    y,
    fill: "toself",
    hoverinfo: "skip",
    fillcolor: `${arm === "grey" ? DATA.colours.grey : DATA.arms[arm].colour}18`,
    line: {
      width: 0.5,
      color: `${arm === "grey" ? DATA.colours.grey : DATA.arms[arm].colour}70`,
      simplify: false,
    },
  }));
}
