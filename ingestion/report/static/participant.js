// The page of one participant: status, steps with the usual range, alerts, sleep.

const SPREAD = 2 / 0.6745; // times the MAD: a robust z of 2, from which on a day is unusual
const MAD_SCALE = 10000; // as it is packed
const NOT_WORN = REASONS.indexOf("not worn");

function showParticipant(article, participant) {
  const days = daysOf(participant, () => shownParticipant === participant && showParticipant(article, participant));
  const { name, status, since, changes } = report.participants;
  const own = STATUS[status[participant]];
  article.replaceChildren(
    ...[
      el("p.crumbs", null, el("a", { href: "#participants", id: "back" }, "← All participants"), neighbours(participant)),
      el("h1.participant-title", { id: "participant-title", tabindex: "-1" }, name[participant]),
      placeOf(participant) && el("p.place", null, capital(placeOf(participant))),
      el("p.badge", { "data-status": own.key }, statusMark(status[participant]), el("b", null, own.name), since[participant] != null && el("span", null, ` ${sinceWord(participant)} ${day(since[participant])}`)),
      el("p.lead", null, statusText(participant)),
      toCall(participant),
    ].filter(Boolean),
  );
  if (!report.participants.days[participant]) {
    article.append(ribbon(participant) ?? "", el("p.note.no-days", null, "There are no days to show: no file has a day of this participant."));
    return;
  }
  if (!days) {
    article.append(el("p.note", { role: "status" }, "Loading the days …"));
    return;
  }
  const steps = el(report.participants.nights[participant] ? "div.chart.tall" : "div.chart.middle", { role: "img", "aria-label": stepsText(participant, days) });
  article.append(
    facts(participant),
    changes[participant] ? ribbon(participant) : "",
    el(
      "div.card",
      null,
      el("div.card-head", null, el("div", null, el("h2", null, "Steps and sleep"), el("p.subtitle", null, "The band is the usual range: most valid days of the four weeks before lie in it. The ground is coloured where the participant was moving less or moving more.")), rangeButtons(participant)),
      steps,
      el(
        "ul.legend",
        null,
        el("li", null, el("i.key-dot", { "aria-hidden": "true" }), "valid day"),
        el("li", null, el("i.key-hollow", { "aria-hidden": "true" }), "not a valid day"),
        days.flags.some((flags) => reasonOf(flags) === NOT_WORN) && el("li", null, el("i.key-idle", { "aria-hidden": "true" }), "not worn"),
        el("li", null, el("i.key-band", { "aria-hidden": "true" }), "usual range"),
        el("li", null, el("i.key-ring", { "aria-hidden": "true" }), "alert"),
        ...[DECLINING, INCREASING].map((status) => marked(participant, status).length > 0 && el("li", null, el("i.key-stretch", { "data-status": STATUS[status].key, "aria-hidden": "true" }), STATUS[status].name.toLowerCase())),
        report.participants.nights[participant] ? el("li", null, el("i.key-sleep", { "aria-hidden": "true" }), "asleep") : null,
      ),
      report.participants.days[participant] < report.participants.allDays[participant] && el("p.note", null, `This study is large, so the report shows only the latest ${plural(report.participants.days[participant], "day")} of each participant. The figures above cover all days.`),
      asTable(`Days of ${name[participant]}`, ["Day", "Steps", "Usual", "Valid", "Alert", "Asleep"], () => dayRows(participant, days), { figures: [1, 2, 5] }),
    ),
  );
  draw(steps, (c, width) => participantChart(c, width, participant, days));
}

function neighbours(participant) {
  const place = view.list.indexOf(participant);
  if (place < 0) return null;
  const link = (other, text, id) => (other == null ? null : el("a", { id, href: addressOf(report.participants.name[other]) }, text));
  return el("span.neighbours", null, link(view.list[place - 1], "↑ Previous", "previous"), ` ${number.format(place + 1)} of ${number.format(view.list.length)} `, link(view.list[place + 1], "Next ↓", "next"));
}

function statusText(participant) {
  const { status, since, recentDays, recentSteps, startSteps, vsStart, vsRecent, startDays, lastWorn, wearHoursRatio, evidence, enrolled } = report.participants;
  const moved = vsStart[participant] == null ? "" : `a median of ${count(recentSteps[participant])} steps a day in the latest two weeks, ${ratioText(vsStart[participant])} of the ${count(startSteps[participant])} at the start${vsRecent[participant] == null ? "" : ` and ${ratioText(vsRecent[participant])} of the month before`}`;
  const from = since[participant] == null ? "" : ` since about ${day(since[participant])}`;
  switch (STATUS[status[participant]].key) {
    case "declining":
      return `Takes fewer steps than at the start${from}: ${moved}.`;
    case "increasing":
      return `Takes more steps than at the start${from}: ${moved}.`;
    case "stable":
      return moved ? `As at the start: ${moved}.` : "As at the start.";
    case "wearing_less": {
      const fewerHours = wearHoursRatio[participant] == null ? "" : `, for ${ratioText(wearHoursRatio[participant])} of the hours at the start`;
      return `Wears the device less than at the start${from}: on ${recentDays[participant]} of the latest 14 days${fewerHours}. Whether activity has changed cannot be told from so little wear.`;
    }
    case "never_started":
      return `Has not worn the device, ${plural(report.asOf - since[participant], "day")} after ${day(since[participant])}, when the first was expected.`;
    case "stopped":
      if (report.followUp?.reason[callOf(participant)] === "not_synchronising") return `The last known day with the device is ${day(lastWorn[participant])}, ${agoText(report.asOf - lastWorn[participant])}. Whether it has been worn since is not known.`;
      return `Last wore the device on ${day(lastWorn[participant])}, ${plural(evidence[participant] ?? report.asOf - lastWorn[participant], "day")} ago.`;
    case "new":
      return `Too new: has ${plural(startDays[participant] ?? 0, "valid day")} of the 21 that a verdict on activity needs.`;
    case "completed":
      return `Has completed the study${lastWorn[participant] == null ? " and never wore the device" : `; last wore the device on ${day(lastWorn[participant])}`}.`;
    case "withdrawn":
      return `Has withdrawn from the study${lastWorn[participant] == null ? " and never wore the device" : `; last wore the device on ${day(lastWorn[participant])}`}.`;
    default:
      return enrolled[participant] > report.asOf ? `Takes part from ${day(enrolled[participant])} on.` : "There is no complete day yet.";
  }
}

function facts(participant) {
  const { recentDays, recentSteps, startSteps, vsStart, vsRecent, baseSteps, validDays, allDays, alerts, nights, began, lastWorn, left } = report.participants;
  const fact = (title, value, more) => el("div", null, el("dt", null, title), el("dd", null, value, more && el("small", null, more)));
  return el(
    "dl.facts",
    null,
    fact("Last worn", lastWorn[participant] == null ? "never" : nearDay(lastWorn[participant]), lastWorn[participant] == null ? "on no day" : agoText(report.asOf - lastWorn[participant])),
    lastSync(participant) != null && fact("Last sync", nearDay(lastSync(participant)), agoText(report.asOf - lastSync(participant))),
    fact("Compared with the start", ratioText(vsStart[participant]), startSteps[participant] == null ? "no start yet" : recentSteps[participant] == null ? `${count(startSteps[participant])} steps a day at the start` : `${count(recentSteps[participant])} steps a day, ${count(startSteps[participant])} at the start`),
    fact("Compared with the month before", ratioText(vsRecent[participant]), baseSteps[participant] == null ? "too few days" : `${count(baseSteps[participant])} steps a day then`),
    fact("Evidence", evidenceText(participant), evidenceNote(participant)),
    fact("Worn", recentDays[participant] == null ? "–" : `${recentDays[participant]} / 14`, "of the latest days"),
    fact("Valid days", number.format(validDays[participant]), began[participant] == null ? null : `of ${number.format(allDays[participant])} since ${day(began[participant])}`),
    fact("Alerts", number.format(alerts[participant]), "in total"),
    nights[participant] ? fact("Nights", number.format(nights[participant]), "with sleep") : null,
    left[participant] != null && left[participant] <= report.asOf ? fact("Left", day(left[participant]), "as the roster says") : null,
  );
}

const callOf = (participant) => report.followUp?.participant.indexOf(participant) ?? -1;

// why the participant is on the list to call, and what is known of the device
function toCall(participant) {
  const row = callOf(participant);
  if (row < 0) return null;
  const { reason, certainty, batteryReadDate } = report.followUp;
  const battery = batteryReadDate[row] == null ? "" : ` Battery on ${nearDay(batteryReadDate[row])}: ${batteryText(row)}.`;
  return el(
    "p.note.to-call",
    null,
    el("b", null, `On the list to call: ${REASON_WORDS[reason[row]].name.toLowerCase()}. `),
    `${causeText(row)}${report.followUp.cause[row] === "battery_low" ? "" : battery} `,
    el("span", { title: CERTAINTY[certainty[row]][1] }, `${CERTAINTY[certainty[row]][0]}: ${evidenceWords(row)}.`),
  );
}

// the marts have it for those on the list
const lastSync = (participant) => report.followUp?.lastSyncDate[callOf(participant)];

const agoText = (days) => (days === 0 ? "on the latest day" : `${plural(days, "day")} ago`);

function evidenceNote(participant) {
  switch (report.participants.status[participant]) {
    case DECLINING:
    case INCREASING:
      return "said from 5, taken back below 2.5";
    case STABLE:
      return "of a change, which is said from 5";
    case WEARING_LESS:
      return isFewerHours(participant) ? `at the start, said below ${whole(80)}` : isWithoutValidDay(participant) ? "without a valid day, said from 14" : "said from 5, taken back below 2.5";
    case STOPPED:
      return `without a known day with the device, said from ${report.participants.threshold[participant]}`;
    case NEW:
      return "valid days";
    default:
      return null;
  }
}

// Every status with its days, as long as it lasted.
function ribbon(participant) {
  const found = stretches(participant);
  if (!found.length) return null;
  const say = ({ status, from, to }) => `${STATUS[status].name}: ${from === to ? day(from) : `${day(from)} to ${day(to)}`}`;
  return el(
    "figure.ribbon",
    null,
    el("figcaption", null, `Status by day, ${day(found[0].from)} to ${day(found.at(-1).to)}`),
    el("ol", null, found.map((stretch) => el("li", { "data-status": STATUS[stretch.status].key, style: `flex-grow:${stretch.to - stretch.from + 1}`, title: say(stretch) }, el("span.visually-hidden", null, say(stretch))))),
  );
}

const marked = (participant, status) => stretches(participant).filter((stretch) => stretch.status === status);

const chartView = { range: innerWidth < 640 ? 91 : 0 };

function rangeButtons(participant) {
  const options = [[42, "6 weeks"], [91, "13 weeks"], [0, "All"]];
  return el(
    "div.segmented",
    { role: "group", "aria-label": "Days shown" },
    options.map(([range, text]) =>
      el("button", {
        type: "button",
        "aria-pressed": String(chartView.range === range),
        onclick: (event) => {
          chartView.range = range;
          for (const button of event.target.parentElement.children) button.setAttribute("aria-pressed", String(button === event.target));
          redraw(document.querySelector("#participant .chart"));
        },
      }, text),
    ),
  );
}

function stepsText(participant, days) {
  const { alerts, first } = report.participants;
  return `Steps of each day from ${day(first[participant])} to ${day(first[participant] + days.steps.length - 1)} with the usual range, ${plural(alerts[participant], "alert")}. The table below has the figures.`;
}

function participantChart(c, width, participant, days) {
  const first = report.participants.first[participant];
  const last = Math.max(first + days.steps.length - 1, report.asOf ?? 0);
  const from = chartView.range ? Math.max(last - chartView.range + 1, first) : first;
  const at = (i) => (first + i) * DAY;
  const hasSleep = report.participants.nights[participant] > 0;
  const lower = [], bandWidth = [], median = [], counted = [], other = [], alerts = [], sleep = [], notWorn = [];
  let most = 0;
  for (let i = Math.max(from - first, 0); i < days.steps.length; i++) {
    const [steps, usual, mad, flags] = [days.steps[i], days.median[i], days.mad[i], days.flags[i]];
    const hasUsual = usual !== NO_VALUE;
    // the spread is of logarithms, so the range is a factor below and above
    const factor = Math.exp((SPREAD * mad) / MAD_SCALE);
    const isBand = hasUsual && mad !== NO_VALUE;
    lower.push([at(i), isBand ? usual / factor : null]);
    bandWidth.push([at(i), isBand ? usual * factor - usual / factor : null]);
    median.push([at(i), hasUsual ? usual : null]);
    const counts = reasonOf(flags) === 0;
    counted.push([at(i), counts ? steps : null]);
    if (steps !== NO_VALUE) most = Math.max(most, steps);
    if (hasUsual) most = Math.max(most, usual);
    if (reasonOf(flags) === NOT_WORN) notWorn.push([at(i), 0]);
    if (!counts && steps !== NO_VALUE) other.push([at(i), steps]);
    if (isAlert(flags)) alerts.push([at(i), steps]);
    sleep.push([at(i), days.asleep[i] === NO_VALUE ? null : days.asleep[i] / 60]);
  }
  // as high as the days are, not as the range: that is a factor, and can be very wide
  const step = [1000, 2000, 5000, 10000].find((each) => most <= 5 * each) ?? 20000;
  const high = Math.max(Math.ceil((1.03 * most) / step), 1) * step;
  const isDense = (last - from) / width > 0.35;
  // behind the points, which have 2 and 3
  const bare = { type: "line", z: 1, symbol: "none", silent: true, emphasis: { disabled: true }, connectNulls: false };
  const top = { left: 52, right: 14, top: 12, height: hasSleep ? 230 : 300 };
  const axis = { min: from * DAY - DAY / 2, max: last * DAY + DAY / 2 };
  return {
    grid: hasSleep ? [top, { left: 52, right: 14, top: 282, height: 78 }] : [top],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: tooltip(c, (points) => dayTip(c, participant, days, Math.round(points[0].axisValue / DAY) - first)),
    xAxis: [timeAxis(c, axis), hasSleep && timeAxis(c, { ...axis, gridIndex: 1, axisLabel: { show: false } })].filter(Boolean),
    yAxis: [
      valueAxis(c, { min: 0, max: high, interval: step, axisLabel: { color: c.muted, formatter: (value) => (value >= 1000 ? `${oneDecimal.format(value / 1000)} k` : value) } }),
      hasSleep && valueAxis(c, { gridIndex: 1, min: 0, interval: 4, max: 12, axisLabel: { color: c.muted, formatter: "{value} h" } }),
    ].filter(Boolean),
    series: [
      ...[DECLINING, INCREASING].map((status) => ({ ...bare, name: STATUS[status].name, lineStyle: { opacity: 0 }, areaStyle: { color: c.status[status], opacity: 0.16 }, data: ground(participant, status, from, high) })),
      { ...bare, name: "lower", stack: "band", lineStyle: { opacity: 0 }, data: lower },
      { ...bare, name: "band", stack: "band", lineStyle: { opacity: 0 }, areaStyle: { color: c.band, opacity: 1 }, data: bandWidth },
      { ...bare, name: "usual", lineStyle: { width: 1.5, color: c.accent, type: [5, 4] }, data: median },
      { type: "line", name: "steps", symbol: "circle", symbolSize: isDense ? 3.5 : 6, lineStyle: { width: 1, color: c.muted, opacity: 0.55 }, itemStyle: { color: c.ink }, emphasis: { disabled: true }, connectNulls: false, data: counted },
      { type: "scatter", name: "not worn", symbol: "rect", symbolSize: [isDense ? 2 : 5, 7], symbolOffset: [0, -4], itemStyle: { color: c.idle }, emphasis: { disabled: true }, data: notWorn },
      { type: "scatter", name: "not a valid day", symbolSize: isDense ? 4 : 6, itemStyle: { color: c.surface, borderColor: c.muted, borderWidth: 1.2 }, emphasis: { disabled: true }, data: other },
      { type: "scatter", name: "alert", symbolSize: isDense ? 9 : 14, itemStyle: { color: "transparent", borderColor: c.alert, borderWidth: 2.5 }, emphasis: { disabled: true }, data: alerts },
      hasSleep && { type: "bar", name: "asleep", xAxisIndex: 1, yAxisIndex: 1, barMaxWidth: 8, itemStyle: { color: c.sleep, borderRadius: [2, 2, 0, 0] }, emphasis: { disabled: true }, data: sleep },
    ].filter(Boolean),
  };
}

// The ground of a chart under the days with a status: an area from 0 to the top.
function ground(participant, status, from, high) {
  return marked(participant, status)
    .filter(({ to }) => to >= from)
    .flatMap((stretch) => [[Math.max(stretch.from, from) - 0.5, high], [stretch.to + 0.5, high], [stretch.to + 0.5, null]])
    .map(([date, value]) => [date * DAY, value]);
}

function dayTip(c, participant, days, i) {
  const date = report.participants.first[participant] + i;
  if (i < 0 || i >= days.steps.length) return tipLines(weekday.format(date * DAY), [[c.gap, "no record", ""]]);
  const flags = days.flags[i];
  const lines = [[c.ink, "Steps", days.steps[i] === NO_VALUE ? "–" : count(days.steps[i])]];
  if (days.median[i] !== NO_VALUE) lines.push([c.accent, "Usual", count(days.median[i])]);
  if (days.asleep[i] !== NO_VALUE) lines.push([c.sleep, "Asleep", hours(days.asleep[i])]);
  if (wearHours(flags) >= 0) lines.push([c.muted, "Hours with steps", wearHours(flags)]);
  if (reasonOf(flags)) lines.push([c.idle, "Not valid", REASONS[reasonOf(flags)]]);
  if (isAlert(flags)) lines.push([c.alert, "Alert", "second unusually low day in a row"]);
  return tipLines(weekday.format(date * DAY), lines);
}

function dayRows(participant, days) {
  const lines = [];
  for (let i = days.steps.length - 1; i >= 0; i--) {
    const flags = days.flags[i];
    lines.push([
      day(report.participants.first[participant] + i),
      days.steps[i] === NO_VALUE ? "–" : count(days.steps[i]),
      days.median[i] === NO_VALUE ? "–" : count(days.median[i]),
      reasonOf(flags) ? REASONS[reasonOf(flags)] : "yes",
      isAlert(flags) ? "alert" : "",
      days.asleep[i] === NO_VALUE ? "–" : hours(days.asleep[i]),
    ]);
  }
  return lines;
}
