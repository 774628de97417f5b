// The days of a participant as a strip of cells: steps compared with usual, device worn or not, record or none.

// 0 (below 40 % of usual) to 5 (145 % or more); -1 if there is nothing to compare with
function heatStep(steps, usual) {
  if (!usual) return -1;
  const ratio = steps / usual;
  return ratio < 0.4 ? 0 : ratio < 0.65 ? 1 : ratio < 0.9 ? 2 : ratio < 1.15 ? 3 : ratio < 1.45 ? 4 : 5;
}

// Before there is a baseline, a day is compared with the median of all the participant's valid days.
function ownMedian(days) {
  if (days.own === undefined) {
    const valid = days.steps.filter((_, i) => reasonOf(days.flags[i]) === 0).sort();
    days.own = valid.length ? valid[valid.length >> 1] : 0;
  }
  return days.own;
}

function drawStrip(canvas, participant, from, to, c) {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const pixelRatio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = width * pixelRatio;
  canvas.height = height * pixelRatio;
  const days = daysOf(participant);
  if (!days || !width) return false;
  const context = canvas.getContext("2d");
  context.scale(pixelRatio, pixelRatio);
  const first = report.participants.first[participant] ?? beginOf(participant) ?? to;
  const left = report.participants.left[participant] ?? to;
  const cell = width / (to - from + 1);
  const gap = cell >= 4 ? 1 : cell >= 2.5 ? 0.5 : 0;
  const own = ownMedian(days);
  for (let date = from; date <= to; date++) {
    const i = date - first;
    const x = (date - from) * cell;
    const known = i >= 0 && i < days.steps.length;
    const reason = known ? reasonOf(days.flags[i]) : 1;
    if (reason === 1) {
      // days before the first one, or after the participant left, stay empty
      if (i >= 0 && date <= left) {
        context.fillStyle = c.gap;
        context.fillRect(x + cell / 2 - Math.min(1.5, cell / 3), height / 2 - 1, Math.min(3, cell / 1.5), 2);
      }
    } else if (reason !== 0) {
      context.fillStyle = c.idle;
      context.fillRect(x, height * 0.38, cell - gap, height * 0.24);
    } else {
      const usual = days.median[i] === NO_VALUE ? own : days.median[i];
      context.fillStyle = c.heat[Math.max(heatStep(days.steps[i], usual), 0)];
      context.fillRect(x, 1, Math.max(cell - gap, 0.6), height - 2);
    }
    if (known && isAlert(days.flags[i])) {
      context.fillStyle = c.alert;
      context.fillRect(x, height - 4, Math.max(cell - gap, 1.5), 4);
    }
  }
  return true;
}

function drawMonths(canvas, from, to, c) {
  const width = canvas.clientWidth;
  const pixelRatio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = width * pixelRatio;
  canvas.height = canvas.clientHeight * pixelRatio;
  const context = canvas.getContext("2d");
  context.scale(pixelRatio, pixelRatio);
  context.font = `600 11px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = c.muted;
  const cell = width / (to - from + 1);
  let free = -1;
  for (let date = from; date <= to; date++) {
    const dateAt = new Date(date * DAY);
    const isFirst = dateAt.getUTCDate() === 1;
    if (!isFirst && date !== from) continue;
    const x = (date - from) * cell;
    // a month with few days left has no room for its name
    if (!isFirst && 31 - dateAt.getUTCDate() < 34 / cell) continue;
    context.fillRect(x, 14, 1, 5);
    if (x > free) {
      const text = monthName.format(date * DAY) + (dateAt.getUTCMonth() === 0 || date === from ? ` ${dateAt.getUTCFullYear()}` : "");
      const fits = x + context.measureText(text).width <= width;
      const label = fits ? text : monthName.format(date * DAY);
      if (x + context.measureText(label).width <= width) context.fillText(label, x, 10);
      free = x + context.measureText(label).width + 8;
    }
  }
}

function heatLegend() {
  return el(
    "ul.legend.heat-legend",
    { "aria-label": "How to read a row" },
    el("li", null, "less", el("span.ramp", { "aria-hidden": "true" }, [0, 1, 2, 3, 4, 5].map((step) => el("i", { "data-heat": String(step) }))), "more steps than usual"),
    el("li", null, el("i.key-idle", { "aria-hidden": "true" }), "not a valid day: not worn, incomplete, or too few steps"),
    el("li", null, el("i.key-gap", { "aria-hidden": "true" }), "no record"),
    el("li", null, el("i.key-alert", { "aria-hidden": "true" }), "alert"),
  );
}
