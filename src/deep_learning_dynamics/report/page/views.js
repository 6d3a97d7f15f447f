// How panels look apart from what is drawn in them: margins, axes, the part of the plane shown.

const FONT = {
  family: "system-ui, -apple-system, 'Segoe UI', Arial, sans-serif",
  size: 11,
  color: "#444",
};
const CONFIG = {
  displaylogo: false,
  displayModeBar: "hover",
  responsive: false,
  doubleClick: "reset",
  modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
};
const MODEBAR = { bgcolor: "rgba(255,255,255,0.8)", color: "#8a8f98", activecolor: "#222" };
const HOVER_LABEL = {
  bgcolor: "#fff",
  bordercolor: "#888",
  font: { size: 12, color: DATA.colours.ink },
  align: "left",
};

// Margins of a panel, and the part of the plane that it shows: the frame, and what fits beside it.
function viewOf(plane, places, small, width, height) {
  const named = plane.exact && places === plane && !small;
  const margin = { l: small ? 8 : named ? 52 : 28, r: 8, t: 6, b: small ? 8 : named ? 40 : 26 };
  const magnified = state.magnify && places.detail;
  const [left, right, bottom, top] = magnified || places.frame;
  const [w, h] = [
    Math.max(width - margin.l - margin.r, 1),
    Math.max(height - margin.t - margin.b, 1),
  ];
  const unit = Math.max((right - left) / w, (top - bottom) / h);
  const x = (left + right) / 2,
    y = (bottom + top) / 2;
  return {
    margin,
    named,
    view: [x - (unit * w) / 2, x + (unit * w) / 2, y - (unit * h) / 2, y + (unit * h) / 2],
  };
}

// The end of a failed network's path, or where it leaves the view for the first time.
function lastSeen(x, y, [left, right, bottom, top]) {
  const free = 0.02 * (right - left);
  const [l, r, b, t] = [left + free, right - free, bottom + free, top - free];
  let before = null;
  for (let i = 0; i < x.length; i++) {
    if (x[i] === null) continue;
    if (x[i] < l || x[i] > r || y[i] < b || y[i] > t) {
      if (before === null) return [Math.min(Math.max(x[i], l), r), Math.min(Math.max(y[i], b), t)];
      const [dx, dy] = [x[i] - before[0], y[i] - before[1]];
      const until = (d, from, low, high) =>
        d > 0 ? (high - from) / d : d < 0 ? (low - from) / d : Infinity;
      const part = Math.min(until(dx, before[0], l, r), until(dy, before[1], b, t), 1);
      return [before[0] + part * dx, before[1] + part * dy];
    }
    before = [x[i], y[i]];
  }
  return before;
}

function planeLayout(plane, places, small, { margin, named, view }) {
  const [left, right, bottom, top] = view;
  const axis = {
    showgrid: false,
    zeroline: false,
    showticklabels: named,
    ticks: named ? "outside" : "",
    ticklen: 3,
    tickcolor: "#999",
    nticks: 7,
  };
  const layout = {
    margin,
    xaxis: {
      ...axis,
      range: [left, right],
      title: small ? undefined : { text: plane.axes[0], standoff: 4, font: FONT },
    },
    yaxis: {
      ...axis,
      range: [bottom, top],
      scaleanchor: "x",
      title: small ? undefined : { text: plane.axes[1], standoff: 4, font: FONT },
    },
    font: FONT,
    hoverlabel: HOVER_LABEL,
    hovermode: "closest",
    hoverdistance: 14,
    showlegend: false,
    modebar: MODEBAR,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    dragmode: "zoom",
    uirevision: `${plane.method} ${state.magnify}`,
    images: [],
  };
  if (plane.map) {
    const { x, y } = plane.map;
    // A null has another map, of which no distances are known, with the same cells.
    const image = places === plane ? plane.map.image : plane.map.plain;
    layout.images.push({
      source: image,
      xref: "x",
      yref: "y",
      x: x[0],
      y: y[1],
      sizex: x[1] - x[0],
      sizey: y[1] - y[0],
      sizing: "stretch",
      layer: "below",
    });
  }
  return layout;
}
