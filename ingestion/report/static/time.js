// The weeks: everyone compared with those who began in the first week.

const COHORTS = [
  ["everyone", "All participants"],
  ["founders", "The first week's participants"],
];
// from the bottom of a chart to its top
const STACKED = [STABLE, INCREASING, DECLINING, WEARING_LESS, NEVER_STARTED, STOPPED, NEW, COMPLETED, WITHDRAWN];

// The rows of a cohort, a week each: { weeks, users, medians, counts: per status, isShared: whether the week has shares }
function weeksOf(name) {
  const { cohort: c } = report;
  const found = { weeks: [], users: [], medians: [], isShared: [], counts: STATUSES.map(() => []) };
  c.cohort.forEach((cohort, row) => {
    if (cohort !== name || c.group[row] !== chosen || c.status[row] !== "all") return;
    found.weeks.push(c.week_start_date[row]);
    found.users.push(c.users[row]);
    found.medians.push(c.median_vs_start[row]);
    found.isShared.push(c.pct[row] != null);
    found.counts.forEach((counts) => counts.push(0));
  });
  const places = new Map(found.weeks.map((week, place) => [week, place]));
  c.cohort.forEach((cohort, row) => {
    const status = STATUS.findIndex((each) => each.key === c.status[row]);
    if (cohort === name && c.group[row] === chosen && status >= 0) found.counts[status][places.get(c.week_start_date[row])] = c.users[row];
  });
  found.hasShares = found.isShared.some(Boolean);
  found.statuses = STACKED.filter((status) => found.counts[status].some(Boolean));
  return found;
}

function showTime(section) {
  section.append(el("h2", { id: "time-title" }, "Over time", ofGroup()));
  const cohorts = report.cohort ? COHORTS.map(([name, title]) => ({ title, ...weeksOf(name) })).filter(({ weeks }) => weeks.length) : [];
  if (!cohorts.length) {
    section.append(el("p.note", null, "There is no week to show yet."));
    return;
  }
  const [everyone, founders] = cohorts;
  const statuses = STATUSES.filter((status) => cohorts.some((cohort) => cohort.statuses.includes(status)));
  const plots = cohorts.map((cohort) => el("div.chart", { role: "img", "aria-label": weekText(cohort) }));
  const activity = el("div.chart", { role: "img", "aria-label": activityText(cohorts) });
  section.append(
    el("p.note", null, "Participants who join later can hide that others stop. So the second chart has only those who began in the first week, and keeps them after they stopped."),
    el("ul.legend", { "aria-label": "Colours" }, statuses.map((status) => el("li", { title: STATUS[status].meaning }, statusMark(status), STATUS[status].name))),
    el(
      "div.pair",
      null,
      card("All participants", `${plural(everyone.users.at(-1), "participant")} in the latest week`, plots[0], weekTable(everyone)),
      founders && card("Those who began in the first week", plural(founders.users.at(-1), "participant"), plots[1], weekTable(founders)),
      card("Activity compared with the start", "the middle participant: steps of the latest two weeks as a share of the own start", activity, cohorts.length > 1 && lineKey(), activityTable(cohorts)),
      stayingCard(),
    ),
  );
  plots.forEach((plot, i) => draw(plot, (c) => weekChart(c, cohorts[i])));
  draw(activity, (c) => activityChart(c, cohorts));
}

function card(title, subtitle, ...content) {
  return el("div.card", null, el("h3", null, title), el("p.subtitle", null, subtitle), ...content);
}

const cell = (cohort, status, week) => (cohort.isShared[week] ? percent(cohort.counts[status][week], cohort.users[week]) : number.format(cohort.counts[status][week]));

function weekText(cohort) {
  const last = cohort.weeks.length - 1;
  const parts = cohort.statuses.map((status) => `${STATUS[status].name} ${cell(cohort, status, last)}`);
  return `${cohort.title}, statuses by week. In the latest week: ${parts.join(", ")}.`;
}

// Shares; in a cohort that never had enough people for shares, people.
function weekChart(c, cohort) {
  const { weeks, users, counts, isShared, hasShares, statuses } = cohort;
  const value = (status, i) => (hasShares ? (isShared[i] ? (100 * counts[status][i]) / users[i] : null) : counts[status][i]);
  const axis = hasShares ? { max: 100, interval: 25, axisLabel: { color: c.muted, formatter: whole } } : { max: Math.max(...users), minInterval: 1 };
  return {
    grid: { left: 44, right: 12, top: 10, bottom: 28 },
    tooltip: tooltip(c, (points) => {
      const i = points[0].dataIndex;
      const rows = statuses.filter((status) => counts[status][i]).map((status) => [c.status[status], STATUS[status].name, isShared[i] ? `${cell(cohort, status, i)}  ·  ${counts[status][i]}` : counts[status][i]]);
      return tipLines(`Week of ${day(weeks[i])}`, rows.reverse());
    }),
    xAxis: timeAxis(c, { boundaryGap: false, min: weeks[0] * DAY, max: weeks.at(-1) * DAY }),
    yAxis: valueAxis(c, axis),
    series: statuses.map((status) => ({
      type: "line",
      name: STATUS[status].name,
      stack: "statuses",
      symbol: "none",
      // a single week has no area, so it gets a symbol
      ...(weeks.length === 1 ? { symbol: "circle", symbolSize: 9 } : {}),
      lineStyle: { width: 1, color: c.surface },
      itemStyle: { color: c.status[status] },
      areaStyle: { color: c.status[status], opacity: status >= NEW ? 0.55 : 0.92 },
      emphasis: { disabled: true },
      data: weeks.map((week, i) => [week * DAY, value(status, i)]),
    })),
  };
}

function weekTable(cohort) {
  const rows = () => cohort.weeks.map((week, i) => [day(week), count(cohort.users[i]), ...cohort.statuses.map((status) => cell(cohort, status, i))]).reverse();
  const figures = cohort.statuses.map((_, i) => i + 2);
  return asTable(`${cohort.title}: statuses by week`, ["Week of", ["Participants", "Everyone with a status at the end of the week"], ...cohort.statuses.map((status) => [STATUS[status].name, STATUS[status].meaning])], rows, { figures: [1, ...figures] });
}

function activityText(cohorts) {
  return `The median activity as a share of the start. In the latest week: ${cohorts.map(({ title, medians }) => `${title} ${ratioText(medians.at(-1))}`).join(", ")}.`;
}

function activityChart(c, cohorts) {
  const weeks = cohorts[0].weeks;
  const known = cohorts.flatMap(({ medians }) => medians).filter((value) => value != null).map((value) => 100 * value);
  const colour = (i) => (i ? c.muted : c.accent);
  return {
    grid: { left: 48, right: 14, top: 14, bottom: 28 },
    tooltip: tooltip(c, (points) => {
      const week = Math.round(points[0].axisValue / DAY);
      return tipLines(`Week of ${day(week)}`, cohorts.map(({ title, medians, weeks: own }, i) => [colour(i), title, ratioText(medians[own.indexOf(week)])]));
    }),
    xAxis: timeAxis(c, { min: weeks[0] * DAY, max: weeks.at(-1) * DAY }),
    yAxis: valueAxis(c, {
      min: Math.min(80, Math.floor(Math.min(...known, 80) / 10) * 10),
      max: Math.max(120, Math.ceil(Math.max(...known, 120) / 10) * 10),
      axisLabel: { color: c.muted, formatter: whole },
    }),
    series: cohorts.map(({ title, medians, weeks: own }, i) => ({
      type: "line",
      name: title,
      showSymbol: known.length < 3,
      symbolSize: 7,
      lineStyle: { width: 2.5, color: colour(i), type: i ? [5, 4] : "solid" },
      itemStyle: { color: colour(i) },
      emphasis: { disabled: true },
      connectNulls: false,
      data: own.map((week, place) => [week * DAY, medians[place] == null ? null : 100 * medians[place]]),
      ...(i ? {} : { markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: c.muted, type: "solid", width: 1 }, data: [{ yAxis: 100 }] } }),
    })),
  };
}

function lineKey() {
  return el("ul.legend", null, el("li", null, el("i.key-line", { "aria-hidden": "true" }), "all participants"), el("li", null, el("i.key-line.dashed", { "aria-hidden": "true" }), "those who began in the first week"));
}

function activityTable(cohorts) {
  const rows = () => cohorts[0].weeks.map((week) => [day(week), ...cohorts.map(({ medians, weeks }) => ratioText(medians[weeks.indexOf(week)]))]).reverse();
  return asTable("Activity compared with the start, by week", ["Week of", ...cohorts.map(({ title }) => title)], rows, { figures: [1, 2] });
}
