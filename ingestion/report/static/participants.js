// The list of participants: filter, search, sort. Only the rows in view exist, so that a long list is as fast as a short one.

// the order of the statuses when those who need a look come first
const CONCERN = [DECLINING, WEARING_LESS, NEVER_STARTED, STOPPED, NEW, NO_STATUS, STABLE, INCREASING, COMPLETED, WITHDRAWN];
const RANGES = [[42, "6 weeks"], [91, "13 weeks"], [182, "26 weeks"], [371, "1 year"], [0, "All days"]];
const SORTS = {
  look: "Need a look first",
  start: "Lowest compared with the start first",
  worn: "Longest not worn first",
  since: "Latest change first",
  alerts: "Most alerts first",
  name: "By name",
};

const view = { statuses: new Set(), before: null, text: "", sort: "look", range: null, list: [], focus: 0 };
let rows; // the elements of the list

function showParticipants(section) {
  section.append(el("h2", { id: "participants-title" }, "Participants", ofGroup()));
  rows = null;
  if (!report.size) {
    section.append(el("p.note", null, "There are no participants yet."));
    return;
  }
  view.range ??= innerWidth < 640 ? 91 : report.lastDate - report.firstDate > 190 ? 182 : 0;
  if (!ranges().some(([days]) => days === view.range)) view.range = ranges().at(-1)[0];
  const search = el("input", { type: "search", id: "search", placeholder: report.hasUserIds ? "User id" : "Pseudonym, such as K7QM", value: view.text, autocomplete: "off", spellcheck: "false", oninput: (event) => setView({ text: event.target.value }) });
  rows = {
    scroller: el("div.rows", { onscroll: () => requestAnimationFrame(renderRows), onkeydown: moveByKeys }),
    space: el("ul.rows-space", { "aria-label": "Participants" }),
    months: el("canvas.months", { "aria-hidden": "true" }),
    summary: el("p.note", { id: "shown", role: "status" }),
    shown: new Map(),
  };
  rows.scroller.append(rows.space);
  section.append(
    el("p.note", null, "Each row is a participant and each cell a day. Participants are compared only with their own start, the first 21 to 84 valid days, and with the month before the latest two weeks. Evidence tells how near a status is: moving less is said above 5, such as 5.8 of 5. Open a row for more."),
    sampleNote() ?? "",
    el("div.chips", { role: "group", "aria-label": "Show only" }, STATUS.map((status, i) => chip(i)).filter(Boolean)),
    el(
      "div.controls",
      null,
      el("label", null, el("span", null, "Find"), search),
      el("label", null, el("span", null, "Sort"), choice("sort", Object.entries(SORTS), view.sort, (value) => setView({ sort: value }))),
      el("label", null, el("span", null, "Days"), choice("range", ranges().map(([value, text]) => [String(value), text]), String(view.range), (value) => setView({ range: Number(value) }))),
      el("button.plain", { type: "button", id: "clear", onclick: clearFilters }, "Show all"),
    ),
    heatLegend(),
    el(
      "div.list",
      null,
      el("div.row.row-head", { "aria-hidden": "true" }, el("span.row-who", null, "Participant"), rows.months, el("span.row-worn", null, "Last worn"), el("span.row-start", null, "Compared with start"), el("span.row-month", null, "With month before"), el("span.row-sure", null, "Evidence")),
      rows.scroller,
    ),
    rows.summary,
  );
  new ResizeObserver(() => renderRows(true)).observe(rows.scroller);
  setView({});
}

// In a large study, no range has days that are not in the report: they would look like days before the first one.
function ranges() {
  const { maxDays } = report;
  return maxDays ? [...RANGES.filter(([days]) => days && days < maxDays), [maxDays, `Latest ${plural(maxDays, "day")}`]] : RANGES;
}

// In a very large study: how many of the chosen group this report shows, and whom.
function shownText() {
  const [all, toCall, withCall] = [report.groups[chosen].users, callsIn(), callsOf().length];
  const { asked, mostCalls } = report.sample;
  const others = people.length - withCall;
  const calls = withCall === toCall ? `all ${number.format(toCall)} that need a call` : `${chosen === EVERYONE ? `the first ${number.format(Math.min(mostCalls, withCall))}` : number.format(withCall)} of the ${number.format(toCall)} that need a call`;
  const sampled = `a sample of ${number.format(chosen === EVERYONE ? others - asked : others)} of the others`;
  const parts = [toCall > 0 && calls, sampled, chosen === EVERYONE && asked > 0 && `${number.format(asked)} asked for by name`].filter(Boolean);
  return `${number.format(people.length)} of ${plural(all, "participant")}${chosen === EVERYONE ? "" : ` of ${groupName(chosen)}`} are shown: ${listed(parts)}.`;
}

function sampleNote() {
  return report.sample && el("p.note.sample", null, el("strong", null, shownText()), " The list, its buttons and the pages of one participant have only those shown. All other numbers and charts count everybody. The sample is random. It has the same people in every report, but for those who join, leave or need a call.");
}

const nobodyText = () =>
  report.sample && view.text.trim()
    ? ["Nobody in this report matches. It shows ", `${number.format(report.size)} of ${plural(report.groups[EVERYONE].users, "participant")}: whom you look for may be one of the others. This command writes a report that shows them: `, el("code", null, `python -m ingestion report --participant ${/^[\w-]+$/.test(view.text.trim()) ? view.text.trim() : "ID"} --output one.html`)]
    : ["No participant matches. Select Show all to clear the filters."];

// everybody of the chosen group with the statuses in view
function countInView() {
  const { status, before, users } = report.people;
  return rowsOf(report.people).reduce((sum, row) => sum + ((!view.statuses.size || view.statuses.has(status[row])) && (view.before == null || view.before === before[row]) ? users[row] : 0), 0);
}

function chip(status) {
  const users = people.filter((participant) => report.participants.status[participant] === status).length;
  if (!users) return null;
  return el("button.chip", { type: "button", "aria-pressed": "false", "data-status": STATUS[status].key, title: `${plural(users, "participant")}${report.sample ? " in this report" : ""}: ${STATUS[status].meaning}`, onclick: () => toggleStatus(status) }, statusMark(status), STATUS[status].name, el("b", null, number.format(users)));
}

function choice(id, options, chosen, change) {
  return el("select", { id, onchange: (event) => change(event.target.value) }, options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
}

function toggleStatus(status) {
  const statuses = new Set(view.statuses);
  if (!statuses.delete(status)) statuses.add(status);
  setView({ statuses, before: null });
}

function clearFilters() {
  document.getElementById("search").value = "";
  setView({ statuses: new Set(), before: null, text: "" });
}

// Shows the participants behind a tile or a change of status.
function filterParticipants({ status, before = null }) {
  document.getElementById("search").value = "";
  setView({ statuses: new Set([status]), before, text: "" });
  const section = document.getElementById("participants");
  section.scrollIntoView({ behavior: prefersStill ? "auto" : "smooth" });
  section.focus({ preventScroll: true });
}

function setView(change) {
  Object.assign(view, change);
  const wanted = searchable(view.text.trim());
  const { name, status, before } = report.participants;
  const list = [];
  for (const participant of people) {
    if (view.statuses.size && !view.statuses.has(status[participant])) continue;
    if (view.before != null && before[participant] !== view.before) continue;
    if (wanted && !searchable(name[participant]).includes(wanted)) continue;
    list.push(participant);
  }
  view.list = list.sort(order(view.sort));
  view.focus = 0;
  for (const button of document.querySelectorAll(".chip")) {
    const at = STATUS.findIndex((each) => each.key === button.dataset.status);
    button.setAttribute("aria-pressed", String(view.statuses.has(at)));
  }
  document.getElementById("clear").hidden = list.length === people.length;
  const changed = view.before == null ? "" : `, ${STATUS[view.before].name.toLowerCase()} seven days before`;
  const all = report.sample && !wanted ? ` ${plural(countInView(), "participant")} in all.` : "";
  const where = report.sample ? " in this report" : "";
  rows.summary.textContent = `${list.length === people.length ? "" : `${number.format(list.length)} of `}${plural(people.length, "participant")}${where}${list.length === people.length ? "" : changed}.${all}`;
  rows.scroller.scrollTop = 0;
  renderRows(true);
}

const searchable = (text) => text.toUpperCase().replaceAll("-", "");

// P9 before P10; in a pseudonym, a digit is a letter like others
const labels = new Intl.Collator("en", { numeric: true });

function byName(a, b) {
  return (report.hasUserIds && labels.compare(a, b)) || (a < b ? -1 : 1);
}

function order(sort) {
  const { name, status, since, alerts, vsStart, lastWorn } = report.participants;
  const start = (participant) => vsStart[participant] ?? Infinity;
  const worn = (participant) => lastWorn[participant] ?? 0;
  const rank = (participant) => CONCERN.indexOf(status[participant]);
  const keys = {
    look: (a, b) => rank(a) - rank(b) || start(a) - start(b) || worn(b) - worn(a),
    start: (a, b) => start(a) - start(b),
    worn: (a, b) => worn(a) - worn(b),
    since: (a, b) => (since[b] ?? 0) - (since[a] ?? 0),
    alerts: (a, b) => alerts[b] - alerts[a],
    name: () => 0,
  };
  return (a, b) => keys[sort](a, b) || byName(name[a], name[b]);
}

const rowHeight = () => (rows.scroller.clientWidth < 560 ? 58 : 32);

function shownDays() {
  const to = Math.max(report.asOf ?? report.lastDate, report.firstDate);
  const from = view.range ? Math.max(to - view.range + 1, Math.min(report.firstDate, to - 13)) : report.firstDate;
  return [from, to];
}

function renderRows(fromScratch = false) {
  const { scroller, space, shown, months } = rows;
  if (!scroller.clientWidth) return;
  const height = rowHeight();
  const [from, to] = shownDays();
  const c = colours();
  const hadFocus = fromScratch === true && scroller.contains(document.activeElement);
  if (fromScratch === true) {
    shown.forEach((row) => row.remove());
    shown.clear();
    drawMonths(months, from, to, c);
  }
  // without a row, as high as what is said instead
  space.style.height = view.list.length ? `${view.list.length * height}px` : "auto";
  space.classList.toggle("is-tall", height > 40);
  const first = Math.max(Math.floor(scroller.scrollTop / height) - 4, 0);
  const last = Math.min(Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + 4, view.list.length) - 1;
  for (const [place, row] of shown) {
    if ((place < first || place > last) && !row.contains(document.activeElement)) {
      row.remove();
      shown.delete(place);
    }
  }
  let after = null;
  for (let place = first; place <= last; place++) {
    let row = shown.get(place);
    if (!row) {
      row = participantRow(view.list[place], place, height);
      shown.set(place, row);
      // in list order, for screen readers and the Tab key
      if (after) after.after(row);
      else space.prepend(row);
      paint(row, from, to, c);
    }
    after = row;
  }
  if (hadFocus) shown.get(view.focus)?.firstChild.focus({ preventScroll: true });
  space.querySelector(".nobody")?.remove();
  if (!view.list.length) space.append(el("li.nobody", null, nobodyText()));
}

function participantRow(participant, place, height) {
  const { name, status, since, vsStart, vsRecent, lastWorn, alerts } = report.participants;
  const own = STATUS[status[participant]];
  const hidden = (text) => el("span.visually-hidden", null, text);
  return el(
    "li",
    { "aria-posinset": String(place + 1), "aria-setsize": String(view.list.length), style: `top:${place * height}px;height:${height}px` },
    el(
      "a.row",
      { href: addressOf(name[participant]), tabindex: place === view.focus ? "0" : "-1", "data-place": String(place), "data-participant": String(participant) },
      el("span.row-who", null, statusMark(status[participant]), el("span.row-name", null, name[participant]), el("span.row-status", null, own.name, since[participant] != null && el("span.row-since", null, `${status[participant] === NEVER_STARTED ? ", " : " "}${sinceWord(participant)} ${nearDay(since[participant])}`))),
      el("canvas.strip", { "aria-hidden": "true" }),
      el("span.row-worn", { title: "The last known day with the device" }, hidden("last worn "), lastWorn[participant] == null ? "never" : nearDay(lastWorn[participant])),
      el("span.row-start", { title: "Median steps of the latest two weeks, as a share of the start" }, ratioText(vsStart[participant]), hidden(" of the start")),
      el("span.row-month", { title: "Median steps of the latest two weeks, as a share of the four weeks before" }, ratioText(vsRecent[participant]), hidden(" of the month before")),
      el("span.row-sure", { title: evidenceNote(participant) ?? "No evidence is needed for this status" }, evidenceText(participant), hidden(` evidence, ${plural(alerts[participant], "alert")}`)),
    ),
  );
}

// whoever never started has no beginning, only a day from which they were expected
const sinceWord = (participant) => (report.participants.status[participant] === NEVER_STARTED ? "expected" : "since");

const isWithoutValidDay = (participant) => report.participants.wearingLessBy[participant] === "no_valid_day";

const isFewerHours = (participant) => report.participants.wearingLessBy[participant] === "fewer_hours";

// a date of the last year needs no year
const nearDay = (date) => (report.asOf - date < 330 ? shortDay(date) : day(date));

// How near the status is: a CUSUM and its threshold, or days. Rounded down, so that 4.97 does not look like 5.
function evidenceText(participant) {
  const { evidence, threshold, status } = report.participants;
  if (evidence[participant] == null) return "–";
  const shown = oneDecimal.format(Math.floor(10 * evidence[participant]) / 10);
  // fewer hours a day, not fewer days
  if (isFewerHours(participant)) return `${ratioText(evidence[participant])} of hours`;
  if (status[participant] === STOPPED || isWithoutValidDay(participant)) return plural(evidence[participant], "day");
  return `${shown} of ${oneDecimal.format(threshold[participant])}${status[participant] === NEW ? " days" : ""}`;
}

function paint(row, from, to, c) {
  const canvas = row.querySelector("canvas");
  const participant = Number(row.firstChild.dataset.participant);
  if (!drawStrip(canvas, participant, from, to, c)) daysOf(participant, () => row.isConnected && drawStrip(canvas, participant, from, to, c));
}

function moveByKeys(event) {
  const link = event.target.closest("a.row");
  if (!link) return;
  const page = Math.max(Math.floor(rows.scroller.clientHeight / rowHeight()) - 1, 1);
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  focusRow(Math.min(Math.max(Number(link.dataset.place) + step, 0), view.list.length - 1));
}

function focusRow(place) {
  const height = rowHeight();
  const { scroller, shown } = rows;
  shown.get(view.focus)?.firstChild.setAttribute("tabindex", "-1");
  view.focus = place;
  if (place * height < scroller.scrollTop) scroller.scrollTop = place * height;
  if ((place + 1) * height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = (place + 1) * height - scroller.clientHeight;
  renderRows();
  const link = shown.get(place)?.firstChild;
  link?.setAttribute("tabindex", "0");
  link?.focus({ preventScroll: true });
}
