// What is printed of the overview: two A4 pages for the folder of a study, in light colours. They exist only while they are printed.

const PAPER_WIDTH = 703; // pixels of 186 mm: A4 without its margins
const MOST_GROUPS = 8;
const MOST_ON_PAPER = 60;
const READING_ON_PAPER = 5;

let paper = null; // { element, theme } while something is printed

function beginPaper() {
  if (paper) return;
  const root = document.documentElement;
  paper = { element: null, theme: root.dataset.theme };
  root.dataset.theme = "light";
  if (shownParticipant != null || report.asOf == null) {
    redrawAll();
    return;
  }
  paper.element = el("div", { id: "paper" });
  document.body.append(paper.element);
  document.body.classList.add("has-paper");
  paper.element.append(firstSheet(), secondSheet());
  const [first, second] = paper.element.children;
  fillCalls(first);
  const reading = second.querySelector(".reading");
  while (isOverfull(second) && reading.children.length) reading.lastChild.remove();
}

function endPaper() {
  if (!paper) return;
  paper.element?.remove();
  document.body.classList.remove("has-paper");
  document.documentElement.dataset.theme = paper.theme;
  paper = null;
  redrawAll();
}

function followPrinting() {
  addEventListener("beforeprint", beginPaper);
  addEventListener("afterprint", endPaper);
  // not every browser tells before it prints
  matchMedia("print").addEventListener("change", ({ matches }) => (matches ? beginPaper() : endPaper()));
}

function sheet(page, title, ...content) {
  const about = `As of ${day(report.asOf)} · ${chosen === EVERYONE ? "everyone" : groupName(chosen)} · written ${when(report.writtenAt)} · page ${page} of 2`;
  return el("section.sheet", null, el("header.sheet-head", null, el("b", null, title), el("span", null, about)), ...content);
}

function firstSheet() {
  const counts = countsOf(report.people.status);
  const before = countsOf(report.people.before);
  const title = headline(counts, sumOf(counts, STATUSES));
  title.removeAttribute("id");
  return sheet(
    1,
    "Engagement",
    title,
    el("p.lead", null, lead(counts, before, before.some((users) => users > 0))),
    groupTable(),
    el("h2", null, "To call this week", calls.rows.length < callsIn() && el("span.of-group", null, `${number.format(calls.rows.length)} of ${number.format(callsIn())} in view`)),
    el("table.paper-calls", null, el("thead", null, el("tr", null, ["", "Participant", "What", "Since", "Person or device?", "How sure", "Last sync", "Last valid", "Steps"].map((text) => el("th", null, text)))), el("tbody")),
    el("p.more"),
    el("p.sheet-foot", null, privacyText()),
  );
}

function groupTable() {
  const numbers = chosen === EVERYONE ? [...report.groups.keys()] : [chosen];
  const rows = numbers.slice(0, MOST_GROUPS).map((group) => ({ group, counts: countsOf(report.people.status, group) }));
  const statuses = STATUSES.filter((status) => rows.some(({ counts }) => counts[status]));
  const left = numbers.length - rows.length;
  return el(
    "div",
    null,
    el(
      "table.paper-groups",
      null,
      el("thead", null, el("tr", null, el("th"), el("th.figure", null, "Enrolled"), statuses.map((status) => el("th.figure", null, statusMark(status), el("span", null, STATUS[status].name))))),
      el("tbody", null, rows.map(({ group, counts }) => el("tr", null, el("td", null, capital(groupName(group))), el("td.figure", null, el("b", null, number.format(sumOf(counts, STATUSES)))), statuses.map((status) => el("td.figure", null, number.format(counts[status])))))),
    ),
    left > 0 && el("p.more", null, `And ${plural(left, "more group")}: see the page.`),
    hiddenGroupsNote(),
  );
}

const isOverfull = (sheet) => sheet.scrollHeight > sheet.clientHeight;

function fillCalls(first) {
  const body = first.querySelector(".paper-calls tbody");
  const more = [...first.querySelectorAll(".more")].at(-1);
  if (!calls.rows.length) {
    first.querySelector(".paper-calls").remove();
    more.textContent = callsIn() ? "Nobody in the chosen view." : "Nobody has to be called.";
    return;
  }
  const rest = () => {
    const left = calls.rows.length - body.children.length;
    more.textContent = left ? `And ${number.format(left)} more: see the CSV.` : "";
  };
  body.append(...calls.rows.slice(0, MOST_ON_PAPER).map(paperCall));
  rest();
  while (isOverfull(first) && body.children.length) {
    body.lastChild.remove();
    rest();
  }
}

function paperCall(row) {
  const { participant, reason, isNew, sinceDate, certainty, lastSyncDate, lastValidDate, usualSteps, recentSteps } = report.followUp;
  const who = participant[row];
  const date = (value) => (value == null ? "–" : nearDay(value));
  return el(
    "tr",
    null,
    [
      isCalled(row) ? "☑" : "☐",
      el("span", null, el("b.row-name", null, report.participants.name[who]), el("small", null, placeOf(who))),
      el("span", null, el("b", null, REASON_WORDS[reason[row]].name), isNew[row] ? " (new)" : ""),
      date(sinceDate[row]),
      causeText(row),
      CERTAINTY[certainty[row]][0],
      date(lastSyncDate[row]),
      date(lastValidDate[row]),
      `${count(usualSteps[row])} → ${count(recentSteps[row])}`,
    ].map((cell) => el("td", null, cell)),
  );
}

function secondSheet() {
  const cohorts = COHORTS.map(([name, title]) => ({ title, ...weeksOf(name) })).filter(({ weeks }) => weeks.length);
  const statuses = STATUSES.filter((status) => cohorts.some((cohort) => cohort.statuses.includes(status)));
  const { shown } = stayingCurves();
  const half = (PAPER_WIDTH - 18) / 2;
  const flow = recordsOf(report.flow).map((step) => [STEP_NAMES[step.step] ?? words(step.step), count(step.users), count(step.user_days), daysKept(recordsOf(report.flow), step) == null ? "–" : share(daysKept(recordsOf(report.flow), step))]);
  const definitions = recordsOf(report.definitions).map((row) => [definitionName(row.definition), count(row.users), count(row.user_days), count(row.mean_steps)]);
  return sheet(
    2,
    "Engagement",
    el("h2", null, "Week by week"),
    el("ul.legend", null, statuses.map((status) => el("li", null, statusMark(status), STATUS[status].name))),
    el("div.halves", null, cohorts.map((cohort) => el("div", null, el("h3", null, cohort.title), printed(half, 132, (c) => weekChart(c, cohort))))),
    el("h2", null, "Who stays"),
    shown.length ? [el("p", null, "Share who still wear the device, by days since they began, with the 95\u00a0% interval (Kaplan-Meier). Who has finished or is still in the study counts up to the last day."), stayingPlot(shown, PAPER_WIDTH, 132 + AT_RISK_LINE * shown.length)] : el("p", null, "Too few participants for a curve."),
    el("h2", null, "Which days count"),
    el("div.halves", null, table("Flow", ["Step", "People", "Days", "Kept"], flow, { figures: [1, 2, 3] }), table("Definitions", ["Mean steps by definition", "People", "Days", "Mean"], definitions, { figures: [1, 2, 3] })),
    el("p", null, el("b", null, "Cannot be judged. "), unjudgedText(unjudgedDays())),
    el("h2", null, "How to read this"),
    el("ul.reading", null, howToRead().slice(0, READING_ON_PAPER).map((text) => el("li", null, text))),
    el("p.sheet-foot", null, privacyText()),
  );
}

// a chart of a fixed size, without motion
function printed(width, height, options) {
  const box = el("div", { style: `width:${width}px;height:${height}px` });
  echarts.init(box, null, { renderer: "svg", width, height }).setOption({ ...base(), ...options(colours(), width), animation: false, tooltip: { show: false } });
  return box;
}
