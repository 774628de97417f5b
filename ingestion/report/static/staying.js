// Who stays: the Kaplan-Meier curve with its interval and the numbers at risk, of the chosen group or of each arm.

const AT_RISK_LINE = 17; // the height of a line of numbers under the axis

// The curve of a group: the rows of rpt_retention
function curveOf(group) {
  const { retention: r } = report;
  const rows = rowsOf(r, group);
  const pick = (column) => rows.map((row) => r[column][row]);
  return { group, days: pick("day"), atRisk: pick("at_risk"), stopped: pick("stopped"), censored: pick("censored"), staying: pick("staying"), low: pick("staying_low"), high: pick("staying_high") };
}

// how many are still watched on a day: nobody leaves between two rows
const atRiskOn = ({ days, atRisk }, wanted) => atRisk[days.findIndex((day) => day >= wanted)] ?? 0;

// { curves: all with a row, shown: those with enough people for a curve }
function stayingCurves() {
  const arms = report.groups.flatMap(({ kind }, number) => (kind === "arm" ? [number] : []));
  const wanted = chosen === EVERYONE ? [EVERYONE, ...arms] : [chosen];
  const curves = wanted.map(curveOf).filter(({ days }) => days.length);
  const drawn = curves.filter(({ atRisk }) => atRisk[0] >= MIN_SHARE_USERS);
  const ofArms = drawn.filter(({ group }) => group !== EVERYONE).slice(0, 5);
  return { curves, shown: ofArms.length > 1 ? ofArms : drawn.slice(0, 1) };
}

function stayingCard() {
  const { curves, shown } = stayingCurves();
  const title = "Who stays";
  if (!shown.length) return card(title, `There are fewer than ${MIN_SHARE_USERS} participants: too few for a curve.`, stayingTable(curves));
  const height = 206 + AT_RISK_LINE * shown.length;
  const plot = el("div.chart", { role: "img", "aria-label": stayingText(shown), style: `height:${height}px` });
  draw(plot, (c, width) => stayingChart(c, width, shown));
  const few = curves.filter(({ atRisk }) => atRisk[0] < MIN_SHARE_USERS).length;
  return card(
    title,
    "Share who still wear the device, by days since they began, with the 95\u00a0% interval (Kaplan-Meier). The numbers below count who is still watched on that day.",
    el("div.staying", null, plot, atRiskLabels(shown)),
    stayingKey(shown),
    el("p.note.small", null, "Who has finished the study, or is still in it, has not stopped: they are counted up to their last day (censored). Who withdrew has stopped."),
    few > 0 && el("p.note.small", null, `${plural(few, "arm")} with fewer than ${MIN_SHARE_USERS} participants: in the table only.`),
    stayingTable(curves),
  );
}

const stayingKey = (shown) => shown.length > 1 && el("ul.legend", null, shown.map(({ group }, i) => el("li", null, el("i.key-line", { "data-arm": String(i), "aria-hidden": "true" }), groupName(group))));

// what the lines of numbers under the axis are
const atRiskLabels = (shown) => el("ul.at-risk", { "aria-hidden": "true" }, shown.map((_, i) => el("li", { "data-arm": shown.length > 1 ? String(i) : null }, "at risk")));

const stayingPlot = (shown, width, height) => el("div", null, el("div.staying", null, printed(width, height, (c) => stayingChart(c, width, shown)), atRiskLabels(shown)), stayingKey(shown));

function stayingText(curves) {
  const parts = curves.map(({ group, days, staying, low, high }) => `${groupName(group)} on day ${number.format(days.at(-1))}: ${ratioText(staying.at(-1))}, 95\u00a0% interval ${ratioText(low.at(-1))} to ${ratioText(high.at(-1))}`);
  return `Share of participants who stay, by days since they began. ${parts.join(". ")}.`;
}

// days between two ticks, so that the numbers under them have room
function tickEvery(last, width) {
  const most = Math.max(Math.floor(width / 62), 2);
  return [1, 2, 5, 7, 14, 28, 56, 91, 182, 364].find((days) => last / days <= most) ?? 728;
}

function stayingChart(c, width, curves) {
  const last = Math.max(...curves.flatMap(({ days }) => days), 1);
  const every = tickEvery(last, width - 80);
  const colour = (i) => c.arms[i % c.arms.length];
  const line = ({ days }, values, extra) => ({ type: "line", step: "end", symbol: "none", silent: true, emphasis: { disabled: true }, data: days.map((at, i) => [at, values[i] == null ? null : 100 * values[i]]), ...extra });
  const at = ({ days }, wanted) => days.findLastIndex((each) => each <= wanted);
  const bottom = 24 + AT_RISK_LINE * curves.length;
  const styles = Object.fromEntries(curves.map((_, i) => [`arm${i}`, { color: curves.length > 1 ? colour(i) : c.ink, fontSize: 12, lineHeight: AT_RISK_LINE }]));
  return {
    grid: { left: 58, right: 20, top: 12, bottom },
    tooltip: tooltip(c, (points) => {
      const wanted = points[0].axisValue;
      const rows = curves.map((curve, i) => {
        const row = at(curve, wanted);
        return [colour(i), groupName(curve.group), row < 0 ? "–" : `${ratioText(curve.staying[row])} (${ratioText(curve.low[row])} to ${ratioText(curve.high[row])}), ${number.format(atRiskOn(curve, wanted))} at risk`];
      });
      return tipLines(`Day ${number.format(wanted)}`, rows);
    }),
    xAxis: {
      type: "value",
      min: 0,
      max: last,
      interval: every,
      axisLine: { lineStyle: { color: c.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: {
        color: c.muted,
        fontSize: 12,
        lineHeight: AT_RISK_LINE,
        rich: styles,
        // the last tick need not be one of them
        formatter: (value) => (value % every ? "" : [value ? number.format(value) : "day 0", ...curves.map((curve, i) => `{arm${i}|${number.format(atRiskOn(curve, value))}}`)].join("\n")),
      },
    },
    yAxis: valueAxis(c, { min: 0, max: 100, interval: 25, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: c.muted, formatter: whole } }),
    series: curves.flatMap((curve, i) => [
      line(curve, curve.low, { stack: `interval ${i}`, lineStyle: { opacity: 0 } }),
      line(curve, curve.low.map((low, row) => (low == null ? null : curve.high[row] - low)), { stack: `interval ${i}`, lineStyle: { opacity: 0 }, areaStyle: { color: colour(i), opacity: curves.length > 1 ? 0.13 : 0.18 } }),
      line(curve, curve.staying, { silent: false, z: 3, lineStyle: { width: 2.5, color: colour(i) }, itemStyle: { color: colour(i) } }),
    ]),
  };
}

function stayingTable(curves) {
  const rows = () =>
    curves.flatMap(({ group, days, atRisk, stopped, censored, staying, low, high }) =>
      days.map((at, i) => {
        const say = (ratio) => (atRisk[0] >= MIN_SHARE_USERS ? ratioText(ratio) : "–");
        return [groupName(group), count(at), count(atRisk[i]), count(stopped[i]), count(censored[i]), say(staying[i]), `${say(low[i])} to ${say(high[i])}`];
      }),
    );
  return asTable("Who stays, by days since they began", ["Group", ["Day", "Days since the participant began"], ["At risk", "Participants who are still watched on this day and have not stopped"], ["Stopped", "Participants who stopped on this day, or withdrew"], ["Finished or still in it", "Participants who are counted up to this day and did not stop"], ["Stay", "Kaplan-Meier estimate of the share who have not stopped by then"], "95\u00a0% interval"], rows, { figures: [1, 2, 3, 4, 5, 6] });
}
