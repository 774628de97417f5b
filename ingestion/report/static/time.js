// The weeks: all participants compared with the fixed cohort.

function showTime(section) {
  const { cohort, retention } = report;
  section.append(el("h2", { id: "time-title" }, "Over time"));
  if (!cohort?.week_start_date?.length) {
    section.append(el("p.note", null, "There is no week to show yet."));
    return;
  }
  const everyone = el("div.chart", { role: "img", "aria-label": sharesText("", "All participants") });
  const fixed = el("div.chart", { role: "img", "aria-label": sharesText("cohort_", "The fixed cohort") });
  const ratio = el("div.chart.low", { role: "img", "aria-label": ratioText() });
  const retentionPlot = el("div.chart.low", { role: "img", "aria-label": retentionText() });
  section.append(
    el("p.note", null, "Participants who join late can hide the loss of others. The fixed cohort has only those who began in the first week, and includes those who left."),
    legend(),
    el(
      "div.pair",
      null,
      card("All participants", `${plural(cohort.users.at(-1), "participant")} in the latest week`, everyone, sharesTable("", "All participants")),
      card("The fixed cohort", `${plural(cohort.cohort_users.at(-1), "participant")} who began in the first week`, fixed, sharesTable("cohort_", "Fixed cohort")),
      card("Activity compared with usual", "median over participants: steps of the latest two weeks as a share of the four weeks before", ratio, lineKey(), ratioTable()),
      card("Retention", "participants with at least one valid day in each week since they began", retentionPlot, retentionTable()),
    ),
  );
  draw(everyone, (c) => sharesChart(c, ""));
  draw(fixed, (c) => sharesChart(c, "cohort_"));
  draw(ratio, ratioChart);
  draw(retentionPlot, retentionChart);
}

function card(title, subtitle, ...content) {
  return el("div.card", null, el("h3", null, title), el("p.subtitle", null, subtitle), content);
}

function legend() {
  return el("ul.legend", { "aria-label": "Colours" }, STATUS.slice(0, 6).map((status, i) => el("li", null, statusMark(i), status.name)));
}

const shareOf = (prefix, status, week) => report.cohort[`${prefix}pct_${STATUS[status].key}`][week] ?? 0;

function sharesText(prefix, who) {
  const last = report.cohort.week_start_date.length - 1;
  const parts = [0, 1, 2, 3, 4, 5].map((status) => `${STATUS[status].name} ${share(shareOf(prefix, status, last))}`);
  return `${who}, share of each status by week. In the latest week: ${parts.join(", ")}.`;
}

function sharesChart(c, prefix) {
  const weeks = report.cohort.week_start_date;
  // the best status is at the bottom
  return {
    grid: { left: 44, right: 12, top: 10, bottom: 28 },
    tooltip: tooltip(c, (points) => {
      const week = points[0].dataIndex;
      const users = report.cohort[`${prefix}users`][week];
      const rows = [5, 4, 3, 2, 1, 0].map((s) => [c.status[s], STATUS[s].name, `${share(shareOf(prefix, s, week))}  ·  ${Math.round((shareOf(prefix, s, week) * users) / 100)}`]);
      return tipLines(`Week of ${day(weeks[week])}`, rows);
    }),
    xAxis: timeAxis(c, { boundaryGap: false, min: weeks[0] * DAY, max: weeks.at(-1) * DAY }),
    yAxis: valueAxis(c, { max: 100, interval: 25, axisLabel: { color: c.muted, formatter: "{value} %" } }),
    series: [1, 0, 2, 3, 4, 5].map((status) => ({
      type: "line",
      name: STATUS[status].name,
      stack: "shares",
      symbol: "none",
      // a single week has no area, so it gets a symbol
      ...(weeks.length === 1 ? { symbol: "circle", symbolSize: 9 } : {}),
      lineStyle: { width: 1, color: c.surface },
      itemStyle: { color: c.status[status] },
      areaStyle: { color: c.status[status], opacity: status === 5 ? 0.45 : 0.92 },
      emphasis: { disabled: true },
      data: weeks.map((week, i) => [week * DAY, shareOf(prefix, status, i)]),
    })),
  };
}

function sharesTable(prefix, who) {
  const rows = () =>
    report.cohort.week_start_date
      .map((week, i) => [day(week), count(report.cohort[`${prefix}users`][i]), ...[0, 1, 2, 3, 4, 5].map((s) => share(shareOf(prefix, s, i)))])
      .reverse();
  return asTable(`${who}: share of each status by week`, ["Week of", "Participants", ...STATUS.slice(0, 6).map((s) => s.name)], rows, { figures: [1, 2, 3, 4, 5, 6, 7] });
}

function ratioText() {
  const { median_ratio: all, cohort_median_ratio: fixed } = report.cohort;
  const say = (value) => (value == null ? "unknown" : share(100 * value));
  return `Median activity as a share of usual. In the latest week: all participants ${say(all.at(-1))}, the fixed cohort ${say(fixed.at(-1))}.`;
}

function ratioChart(c) {
  const weeks = report.cohort.week_start_date;
  const line = (name, values, colour, type) => ({
    type: "line",
    name,
    showSymbol: weeks.length < 3,
    symbolSize: 7,
    lineStyle: { width: 2.5, color: colour, type },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
    connectNulls: false,
    data: weeks.map((week, i) => [week * DAY, values[i] == null ? null : 100 * values[i]]),
  });
  const all = report.cohort.median_ratio;
  const fixed = report.cohort.cohort_median_ratio;
  const known = [...all, ...fixed].filter((value) => value != null).map((value) => 100 * value);
  return {
    grid: { left: 48, right: 14, top: 14, bottom: 28 },
    tooltip: tooltip(c, (points) => {
      const i = points[0].dataIndex;
      const say = (value) => (value == null ? "–" : share(100 * value));
      return tipLines(`Week of ${day(weeks[i])}`, [[c.accent, "All participants", say(all[i])], [c.muted, "Fixed cohort", say(fixed[i])]]);
    }),
    xAxis: timeAxis(c, { min: weeks[0] * DAY, max: weeks.at(-1) * DAY }),
    yAxis: valueAxis(c, {
      min: Math.min(80, Math.floor(Math.min(...known, 80) / 10) * 10),
      max: Math.max(120, Math.ceil(Math.max(...known, 120) / 10) * 10),
      axisLabel: { color: c.muted, formatter: "{value} %" },
    }),
    series: [
      {
        ...line("All participants", all, c.accent, "solid"),
        markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: c.muted, type: "solid", width: 1 }, data: [{ yAxis: 100 }] },
      },
      line("Cohort", fixed, c.muted, [5, 4]),
    ],
  };
}

function lineKey() {
  return el("ul.legend", null, el("li", null, el("i.key-line", { "aria-hidden": "true" }), "all participants"), el("li", null, el("i.key-line.dashed", { "aria-hidden": "true" }), "fixed cohort"));
}

function ratioTable() {
  const say = (value) => (value == null ? "–" : share(100 * value));
  const rows = () => report.cohort.week_start_date.map((week, i) => [day(week), say(report.cohort.median_ratio[i]), say(report.cohort.cohort_median_ratio[i])]).reverse();
  return asTable("Activity compared with usual, by week", ["Week of", "All participants", "Fixed cohort"], rows, { figures: [1, 2] });
}

function retentionText() {
  const { tenure_week: weeks, pct_retained: kept } = report.retention;
  return weeks.length ? `Share of participants retained by week since they began. In week ${weeks.at(-1)}: ${share(kept.at(-1))}.` : "No week is complete yet.";
}

function retentionChart(c) {
  const { tenure_week: weeks, pct_retained: kept, users, retained_users: there } = report.retention;
  return {
    grid: { left: 48, right: 20, top: 14, bottom: 28 },
    tooltip: tooltip(c, (points) => {
      const i = points[0].dataIndex;
      return tipLines(weeks[i] === 0 ? "The week they began" : `Week ${weeks[i]} since they began`, [[c.accent, `${count(there[i])} of ${count(users[i])}`, share(kept[i])]]);
    }),
    xAxis: { type: "category", data: weeks, boundaryGap: false, axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false }, axisLabel: { color: c.muted, formatter: (week) => `w ${week}` } },
    yAxis: valueAxis(c, { min: 0, max: 100, interval: 25, axisLabel: { color: c.muted, formatter: "{value} %" } }),
    series: [
      {
        type: "line",
        step: "end",
        symbol: "none",
        lineStyle: { width: 2.5, color: c.accent },
        itemStyle: { color: c.accent },
        areaStyle: { color: c.accent, opacity: 0.14 },
        emphasis: { disabled: true },
        data: kept,
      },
    ],
  };
}

function retentionTable() {
  const { tenure_week: weeks, pct_retained: kept, users, retained_users: there } = report.retention;
  const rows = () => weeks.map((week, i) => [count(week), count(users[i]), count(there[i]), share(kept[i])]);
  return asTable("Retention by week since the start", ["Week", "Participants", "Retained", "Share"], rows, { figures: [0, 1, 2, 3] });
}
