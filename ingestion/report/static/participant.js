// The page of one participant: status, steps with the usual range, alerts, sleep.

const SPREAD = 2 / 0.6745; // times the MAD: a robust z of 2, from which on a day is unusual

function showParticipant(article, participant) {
  const days = daysOf(participant, () => shownParticipant === participant && showParticipant(article, participant));
  const { name, status, since, weeks } = report.participants;
  const own = STATUS[status[participant]];
  article.replaceChildren(
    el("p.crumbs", null, el("a", { href: "#participants", id: "back" }, "← All participants"), neighbours(participant)),
    el("h1.participant-title", { id: "participant-title", tabindex: "-1" }, name[participant]),
    el("p.badge", { "data-status": own.key }, statusMark(status[participant]), el("b", null, own.name), baselineNote(participant), since[participant] != null && el("span", null, ` since ${day(since[participant])}`)),
    el("p.lead", null, statusText(participant)),
  );
  if (!days) {
    article.append(el("p.note", { role: "status" }, "Loading the days …"));
    return;
  }
  const steps = el(report.participants.nights[participant] ? "div.chart.tall" : "div.chart.middle", { role: "img", "aria-label": stepsText(participant, days) });
  article.append(
    facts(participant),
    weeks[participant] ? ribbon(participant) : "",
    el(
      "div.card",
      null,
      el("div.card-head", null, el("div", null, el("h2", null, "Steps and sleep"), el("p.subtitle", null, "The band is the usual range: the median of the four weeks before, plus and minus two robust standard deviations.")), rangeButtons(participant)),
      steps,
      el(
        "ul.legend",
        null,
        el("li", null, el("i.key-dot", { "aria-hidden": "true" }), "valid day"),
        el("li", null, el("i.key-hollow", { "aria-hidden": "true" }), "not a valid day"),
        el("li", null, el("i.key-band", { "aria-hidden": "true" }), "usual range"),
        el("li", null, el("i.key-ring", { "aria-hidden": "true" }), "alert"),
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
  const { status, recentDays, recentSteps, baseSteps } = report.participants;
  const ratio = ratioOf(participant);
  const moved = ratio == null ? "" : `a median of ${count(recentSteps[participant])} steps a day, ${share(100 * ratio)} of the ${count(baseSteps[participant])} in the four weeks before`;
  const last = lastValidDay(participant);
  switch (STATUS[status[participant]].key) {
    case "declining":
      return `Wears the device and takes fewer steps than usual: ${moved}.`;
    case "increasing":
      return `Takes more steps than usual: ${moved}.`;
    case "stable":
      return `As usual: ${moved}.`;
    case "disengaging":
      return `Wears the device less: on ${recentDays[participant]} of the last 14 days. On these days, ${moved}.`;
    case "lapsed":
      return `Has not worn the device since ${day(last)}.`;
    case "insufficient_baseline":
      return isAway(participant) ? `Away: the last valid day was ${day(last)}, too long ago for a comparison.` : "New, or back after a long time: there are not enough days for a comparison yet.";
    default:
      return "There is no complete day yet.";
  }
}

function facts(participant) {
  const { recentDays, recentSteps, baseSteps, slope, validDays, allDays, alerts, nights, began } = report.participants;
  const ratio = ratioOf(participant);
  const fact = (title, value, more) => el("div", null, el("dt", null, title), el("dd", null, value, more && el("small", null, more)));
  return el(
    "dl.facts",
    null,
    fact("Worn", recentDays[participant] == null ? "–" : `${recentDays[participant]} / 14`, "of the latest days"),
    fact("Steps a day", count(recentSteps[participant]), `usual: ${count(baseSteps[participant])}`),
    fact("Of usual", ratio == null ? "–" : share(100 * ratio), "median of the latest two weeks"),
    fact("Trend", slope[participant] == null ? "–" : `${slope[participant] > 0 ? "+" : "−"}${oneDecimal.format(Math.abs(slope[participant]))}`, "steps a day per day, over 28 days"),
    fact("Alerts", number.format(alerts[participant]), "in total"),
    fact("Valid days", number.format(validDays[participant]), `of ${number.format(allDays[participant])} since ${shortDay(began[participant])}`),
    nights[participant] ? fact("Nights", number.format(nights[participant]), "with sleep") : null,
  );
}

// The status at the end of each week.
function ribbon(participant) {
  const letters = [...report.participants.weeks[participant]];
  const ends = report.cohort.as_of_date.slice(-letters.length);
  return el(
    "figure.ribbon",
    null,
    el("figcaption", null, `Status by week, ${shortDay(ends[0])} to ${day(ends.at(-1))}`),
    el(
      "ol",
      null,
      letters.map((letter, i) => {
        const status = STATUS[LETTERS[letter]];
        return el("li", { "data-status": status.key, title: `${day(ends[i])}: ${status.name}` }, el("span.visually-hidden", null, `${day(ends[i])}: ${status.name}`));
      }),
    ),
  );
}

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
  const lower = [], bandWidth = [], median = [], counted = [], other = [], alerts = [], sleep = [];
  for (let i = Math.max(from - first, 0); i < days.steps.length; i++) {
    const [steps, usual, mad, flags] = [days.steps[i], days.median[i], days.mad[i], days.flags[i]];
    const hasUsual = usual !== NO_VALUE;
    const low = hasUsual ? Math.max(usual - SPREAD * mad, 0) : null;
    lower.push([at(i), low]);
    bandWidth.push([at(i), hasUsual ? usual + SPREAD * mad - low : null]);
    median.push([at(i), hasUsual ? usual : null]);
    const counts = reasonOf(flags) === 0;
    counted.push([at(i), counts ? steps : null]);
    if (!counts && steps !== NO_VALUE) other.push([at(i), steps]);
    if (isAlert(flags)) alerts.push([at(i), steps]);
    sleep.push([at(i), days.asleep[i] === NO_VALUE ? null : days.asleep[i] / 60]);
  }
  const isDense = (last - from) / width > 0.35;
  const bare = { type: "line", symbol: "none", silent: true, emphasis: { disabled: true }, connectNulls: false };
  const top = { left: 52, right: 14, top: 12, height: hasSleep ? 230 : 300 };
  const axis = { min: from * DAY - DAY / 2, max: last * DAY + DAY / 2 };
  return {
    grid: hasSleep ? [top, { left: 52, right: 14, top: 282, height: 78 }] : [top],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: tooltip(c, (points) => dayTip(c, participant, days, Math.round(points[0].axisValue / DAY) - first)),
    xAxis: [timeAxis(c, axis), hasSleep && timeAxis(c, { ...axis, gridIndex: 1, axisLabel: { show: false } })].filter(Boolean),
    yAxis: [
      valueAxis(c, { axisLabel: { color: c.muted, formatter: (value) => (value >= 1000 ? `${oneDecimal.format(value / 1000)} k` : value) } }),
      hasSleep && valueAxis(c, { gridIndex: 1, min: 0, interval: 4, max: 12, axisLabel: { color: c.muted, formatter: "{value} h" } }),
    ].filter(Boolean),
    series: [
      { ...bare, name: "lower", stack: "band", lineStyle: { opacity: 0 }, data: lower },
      { ...bare, name: "band", stack: "band", lineStyle: { opacity: 0 }, areaStyle: { color: c.band, opacity: 1 }, data: bandWidth },
      { ...bare, name: "usual", lineStyle: { width: 1.5, color: c.accent, type: [5, 4] }, data: median },
      { type: "line", name: "steps", symbol: "circle", symbolSize: isDense ? 3.5 : 6, lineStyle: { width: 1, color: c.muted, opacity: 0.55 }, itemStyle: { color: c.ink }, emphasis: { disabled: true }, connectNulls: false, data: counted },
      { type: "scatter", name: "not a valid day", symbolSize: isDense ? 4 : 6, itemStyle: { color: c.surface, borderColor: c.muted, borderWidth: 1.2 }, emphasis: { disabled: true }, data: other },
      { type: "scatter", name: "alert", symbolSize: isDense ? 9 : 14, itemStyle: { color: "transparent", borderColor: c.alert, borderWidth: 2.5 }, emphasis: { disabled: true }, data: alerts },
      hasSleep && { type: "bar", name: "asleep", xAxisIndex: 1, yAxisIndex: 1, barMaxWidth: 8, itemStyle: { color: c.sleep, borderRadius: [2, 2, 0, 0] }, emphasis: { disabled: true }, data: sleep },
    ].filter(Boolean),
  };
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
