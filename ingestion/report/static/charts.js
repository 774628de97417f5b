// Shared by all charts: the colours of the page, and redrawing when the theme or the width changes.

const drawn = new Map(); // element -> { chart, options }
const prefersStill = matchMedia("(prefers-reduced-motion: reduce)").matches;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: read("ink"),
    muted: read("muted"),
    line: read("line"),
    surface: read("surface"),
    accent: read("accent"),
    band: read("band"),
    alert: read("alert"),
    sleep: read("sleep"),
    idle: read("idle"),
    gap: read("gap"),
    heat: [0, 1, 2, 3, 4, 5].map((step) => read(`heat-${step}`)),
    arms: [read("accent"), read("s-increasing"), read("s-wearing_less"), read("s-never_started"), read("s-stopped")],
    status: STATUS.map((status) => read(`s-${status.key}`)),
  };
}

// draws a chart when it is about to scroll into view, so that the answer appears first
const visibility = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && begin(entry.target)), { rootMargin: "600px" });

// options: a function of the colours and the width, called again when either changes
function draw(element, options) {
  drawn.set(element, { options });
  visibility.observe(element);
}

function begin(element) {
  const entry = drawn.get(element);
  visibility.unobserve(element);
  if (!entry || entry.chart) return;
  entry.chart = echarts.init(element, null, { renderer: "svg" });
  new ResizeObserver(() => {
    if (element.clientWidth && element.clientWidth !== entry.width) redraw(element);
  }).observe(element);
  redraw(element);
}

function redraw(element) {
  const { chart, options } = drawn.get(element);
  drawn.get(element).width = element.clientWidth;
  if (!chart || !element.clientWidth) return;
  chart.resize();
  chart.setOption({ ...base(), ...options(colours(), element.clientWidth) }, { notMerge: true });
}

function redrawAll() {
  for (const element of drawn.keys()) {
    if (element.isConnected) redraw(element);
    else {
      visibility.unobserve(element);
      drawn.get(element).chart?.dispose();
      drawn.delete(element);
    }
  }
}

function base() {
  return {
    useUTC: true,
    animation: !prefersStill && !paper,
    animationDuration: 350,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 },
  };
}

function timeAxis(c, extra) {
  return {
    type: "time",
    axisLine: { lineStyle: { color: c.line } },
    axisTick: { show: false },
    axisLabel: { color: c.muted, fontSize: 12, hideOverlap: true, formatter: (value) => shortDay(value / DAY) },
    splitLine: { show: false },
    ...extra,
  };
}

function valueAxis(c, extra) {
  return {
    type: "value",
    axisLabel: { color: c.muted },
    splitLine: { lineStyle: { color: c.line, type: [2, 4] } },
    ...extra,
  };
}

function tooltip(c, lines, extra) {
  return {
    trigger: "axis",
    confine: true,
    backgroundColor: c.surface,
    borderColor: c.line,
    padding: [10, 12],
    textStyle: { color: c.ink, fontSize: 12.5 },
    extraCssText: "border-radius:10px;box-shadow:0 8px 28px rgb(0 0 0 / .16)",
    axisPointer: { type: "line", lineStyle: { color: c.muted, width: 1, type: "solid" } },
    // an element, so that nothing in it is parsed as HTML
    formatter: (points) => lines(Array.isArray(points) ? points : [points]),
    ...extra,
  };
}

function tipLines(title, rows) {
  return el(
    "div.tip",
    null,
    el("strong", null, title),
    rows.map(([colour, name, value]) =>
      el("div.tip-row", null, el("i", { style: `background:${colour}` }), el("span", null, name), el("b", null, value)),
    ),
  );
}
