// The page of one participant: status, steps with the usual range, alerts, sleep.

const SPREAD = 2 / 0.6745; // times the MAD: a robust z of 2, from which on a day is unusual

function showPerson(article, person) {
  const days = daysOf(person, () => current === person && showPerson(article, person));
  const { name, status, since, weeks } = R.people;
  const own = STATUS[status[person]];
  article.replaceChildren(
    el("p.crumbs", null, el("a", { href: "#people", id: "back" }, "← All participants"), neighbours(person)),
    el("h1.person-title", { id: "person-title", tabindex: "-1" }, name[person]),
    el("p.badge", { "data-status": own.key }, statusMark(status[person]), el("b", null, own.name), gone(person), since[person] != null && el("span", null, ` since ${day(since[person])}`)),
    el("p.lead", null, statusText(person)),
  );
  if (!days) {
    article.append(el("p.note", { role: "status" }, "Loading the days …"));
    return;
  }
  const steps = el(R.people.nights[person] ? "div.chart.tall" : "div.chart.middle", { role: "img", "aria-label": stepsText(person, days) });
  article.append(
    facts(person),
    weeks[person] ? ribbon(person) : "",
    el(
      "div.card",
      null,
      el("div.card-head", null, el("div", null, el("h2", null, "Steps and sleep"), el("p.subtitle", null, "The band is the usual range: the median of the four weeks before, plus and minus two robust standard deviations.")), rangeButtons(person)),
      steps,
      el(
        "ul.legend",
        null,
        el("li", null, el("i.key-dot", { "aria-hidden": "true" }), "valid day"),
        el("li", null, el("i.key-hollow", { "aria-hidden": "true" }), "not a valid day"),
        el("li", null, el("i.key-band", { "aria-hidden": "true" }), "usual range"),
        el("li", null, el("i.key-ring", { "aria-hidden": "true" }), "alert"),
        R.people.nights[person] ? el("li", null, el("i.key-sleep", { "aria-hidden": "true" }), "asleep") : null,
      ),
      R.people.days[person] < R.people.allDays[person] && el("p.note", null, `This study is large, so the report shows only the latest ${plural(R.people.days[person], "day")} of each participant. The figures above cover all days.`),
      asTable(`Days of ${name[person]}`, ["Day", "Steps", "Usual", "Valid", "Alert", "Asleep"], () => dayRows(person, days), { figures: [1, 2, 5] }),
    ),
  );
  draw(steps, (c, width) => personChart(c, width, person, days));
}

function neighbours(person) {
  const place = view.list.indexOf(person);
  if (place < 0) return null;
  const link = (other, text, id) => (other == null ? null : el("a", { id, href: `#/person/${R.people.name[other]}` }, text));
  return el("span.neighbours", null, link(view.list[place - 1], "↑ Before", "previous"), ` ${number.format(place + 1)} of ${number.format(view.list.length)} `, link(view.list[place + 1], "Next ↓", "next"));
}

function statusText(person) {
  const { status, recentDays, recentSteps, baseSteps } = R.people;
  const ratio = ratioOf(person);
  const moved = ratio == null ? "" : `a median of ${count(recentSteps[person])} steps a day, ${share(100 * ratio)} of the ${count(baseSteps[person])} in the four weeks before`;
  const last = lastValidDay(person);
  switch (STATUS[status[person]].key) {
    case "declining":
      return `Wears the device and takes fewer steps than usual: ${moved}.`;
    case "increasing":
      return `Takes more steps than usual: ${moved}.`;
    case "stable":
      return `As usual: ${moved}.`;
    case "disengaging":
      return `Wears the device less: on ${recentDays[person]} of the last 14 days. On these days, ${moved}.`;
    case "lapsed":
      return `Has not worn the device since ${day(last)}.`;
    case "insufficient_baseline":
      return isGone(person) ? `Away: the last valid day was ${day(last)}, too long ago for a comparison.` : "New, or back after a long time: there are not enough days for a comparison yet.";
    default:
      return "There is no complete day yet.";
  }
}

function facts(person) {
  const { recentDays, recentSteps, baseSteps, slope, validDays, allDays, alerts, nights, began } = R.people;
  const ratio = ratioOf(person);
  const fact = (title, value, more) => el("div", null, el("dt", null, title), el("dd", null, value, more && el("small", null, more)));
  return el(
    "dl.facts",
    null,
    fact("Worn", recentDays[person] == null ? "–" : `${recentDays[person]} / 14`, "of the latest days"),
    fact("Steps a day", count(recentSteps[person]), `usual: ${count(baseSteps[person])}`),
    fact("Of usual", ratio == null ? "–" : share(100 * ratio), "median of the latest two weeks"),
    fact("Trend", slope[person] == null ? "–" : `${slope[person] > 0 ? "+" : "−"}${one.format(Math.abs(slope[person]))}`, "steps a day per day, over 28 days"),
    fact("Alerts", number.format(alerts[person]), "in total"),
    fact("Valid days", number.format(validDays[person]), `of ${number.format(allDays[person])} since ${shortDay(began[person])}`),
    nights[person] ? fact("Nights", number.format(nights[person]), "with sleep") : null,
  );
}

// The status at the end of each week.
function ribbon(person) {
  const letters = [...R.people.weeks[person]];
  const ends = R.cohort.as_of_date.slice(-letters.length);
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

const personView = { range: innerWidth < 640 ? 91 : 0 };

function rangeButtons(person) {
  const options = [[42, "6 weeks"], [91, "13 weeks"], [0, "All"]];
  return el(
    "div.segmented",
    { role: "group", "aria-label": "Days shown" },
    options.map(([range, text]) =>
      el("button", {
        type: "button",
        "aria-pressed": String(personView.range === range),
        onclick: (event) => {
          personView.range = range;
          for (const button of event.target.parentElement.children) button.setAttribute("aria-pressed", String(button === event.target));
          redraw(document.querySelector("#person .chart"));
        },
      }, text),
    ),
  );
}

function stepsText(person, days) {
  const { alerts, first } = R.people;
  return `Steps of each day from ${day(first[person])} to ${day(first[person] + days.steps.length - 1)} with the usual range, ${plural(alerts[person], "alert")}. The table below has the figures.`;
}

function personChart(c, width, person, days) {
  const first = R.people.first[person];
  const last = Math.max(first + days.steps.length - 1, R.asOf ?? 0);
  const from = personView.range ? Math.max(last - personView.range + 1, first) : first;
  const at = (i) => (first + i) * DAY;
  const hasSleep = R.people.nights[person] > 0;
  const lower = [], width_ = [], median = [], counted = [], other = [], alerts = [], sleep = [];
  for (let i = Math.max(from - first, 0); i < days.steps.length; i++) {
    const [steps, usual, mad, flags] = [days.steps[i], days.median[i], days.mad[i], days.flags[i]];
    const hasUsual = usual !== NO_VALUE;
    const low = hasUsual ? Math.max(usual - SPREAD * mad, 0) : null;
    lower.push([at(i), low]);
    width_.push([at(i), hasUsual ? usual + SPREAD * mad - low : null]);
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
    tooltip: tooltip(c, (points) => dayTip(c, person, days, Math.round(points[0].axisValue / DAY) - first)),
    xAxis: [timeAxis(c, axis), hasSleep && timeAxis(c, { ...axis, gridIndex: 1, axisLabel: { show: false } })].filter(Boolean),
    yAxis: [
      valueAxis(c, { axisLabel: { color: c.muted, formatter: (value) => (value >= 1000 ? `${one.format(value / 1000)} k` : value) } }),
      hasSleep && valueAxis(c, { gridIndex: 1, min: 0, interval: 4, max: 12, axisLabel: { color: c.muted, formatter: "{value} h" } }),
    ].filter(Boolean),
    series: [
      { ...bare, name: "lower", stack: "band", lineStyle: { opacity: 0 }, data: lower },
      { ...bare, name: "band", stack: "band", lineStyle: { opacity: 0 }, areaStyle: { color: c.band, opacity: 1 }, data: width_ },
      { ...bare, name: "usual", lineStyle: { width: 1.5, color: c.accent, type: [5, 4] }, data: median },
      { type: "line", name: "steps", symbol: "circle", symbolSize: isDense ? 3.5 : 6, lineStyle: { width: 1, color: c.muted, opacity: 0.55 }, itemStyle: { color: c.ink }, emphasis: { disabled: true }, connectNulls: false, data: counted },
      { type: "scatter", name: "not a valid day", symbolSize: isDense ? 4 : 6, itemStyle: { color: c.surface, borderColor: c.muted, borderWidth: 1.2 }, emphasis: { disabled: true }, data: other },
      { type: "scatter", name: "alert", symbolSize: isDense ? 9 : 14, itemStyle: { color: "transparent", borderColor: c.alert, borderWidth: 2.5 }, emphasis: { disabled: true }, data: alerts },
      hasSleep && { type: "bar", name: "asleep", xAxisIndex: 1, yAxisIndex: 1, barMaxWidth: 8, itemStyle: { color: c.sleep, borderRadius: [2, 2, 0, 0] }, emphasis: { disabled: true }, data: sleep },
    ].filter(Boolean),
  };
}

function dayTip(c, person, days, i) {
  const date = R.people.first[person] + i;
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

function dayRows(person, days) {
  const rows_ = [];
  for (let i = days.steps.length - 1; i >= 0; i--) {
    const flags = days.flags[i];
    rows_.push([
      day(R.people.first[person] + i),
      days.steps[i] === NO_VALUE ? "–" : count(days.steps[i]),
      days.median[i] === NO_VALUE ? "–" : count(days.median[i]),
      reasonOf(flags) ? REASONS[reasonOf(flags)] : "yes",
      isAlert(flags) ? "alert" : "",
      days.asleep[i] === NO_VALUE ? "–" : hours(days.asleep[i]),
    ]);
  }
  return rows_;
}
