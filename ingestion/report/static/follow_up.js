// To call this week: whom, why, since when, and whether it is the person or the device.

const CALLS_AT_FIRST = innerWidth < 640 ? 8 : 20;
const CALL_SORTS = {
  order: "In the order to call",
  longest: "Longest first",
  latest: "Latest first",
  name: "By name",
  arm: "By arm",
  site: "By site",
};
const SHOWN = { all: "Everybody", new: "New only", open: "Not called yet" };
const COLUMNS = ["Called", "Participant", "What", "Since", "Person or device?", "How sure", "Last sync", "Last valid day", "Steps: usual → recent"];

const calls = { reason: "", arm: "", site: "", shown: "all", sort: "order", isWhole: false, rows: [] };

const isCalled = (row) => address.called.has(report.participants.name[report.followUp.participant[row]]);

// the rows of the chosen group, as they are on the list
function callsOf(number = chosen) {
  return report.followUp ? report.followUp.participant.flatMap((participant, row) => (isMember(participant, number) ? [row] : [])) : [];
}

// how many of everybody in a group are to be called, whoever is shown
function callsIn(group = chosen, isCounted = () => true) {
  const counts = report.followUp?.people;
  return counts ? rowsOf(counts, group).reduce((sum, row) => sum + (isCounted(row, counts) ? counts.users[row] : 0), 0) : 0;
}

function showCalls(section) {
  section.append(el("h2", { id: "call-title" }, "To call this week", ofGroup()));
  calls.rows = [];
  if (!report.followUp || report.asOf == null) {
    section.append(el("p.note", null, "There is no list yet: it needs the tables behind this page, and a complete day."));
    return;
  }
  const all = callsOf();
  section.append(...[callsNote(), callsLeftOut(all.length), resolvedNote()].filter(Boolean));
  if (!callsIn()) {
    section.append(el("p.card.nobody-to-call", null, el("span.mark", { "data-status": "stable", "aria-hidden": "true" }, "✓"), `Nobody${chosen === EVERYONE ? "" : ` of ${groupName(chosen)}`} has to be called: nobody has stopped, wears the device less, moves less, has a device that does not synchronise or has never started.`));
    return;
  }
  if (!all.length) return;
  section.append(
    callControls(all),
    el("div.calls", null, el("table", { role: "table" }, el("caption.visually-hidden", null, "To call this week"), el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, COLUMNS.map((title, i) => el("th", { scope: "col", role: "columnheader", class: i === 8 ? "figure" : null }, title)))), el("tbody", { role: "rowgroup", id: "calls" }))),
    el("div.calls-foot", null, el("p.note", { id: "calls-count", role: "status" }), el("button.plain", { type: "button", id: "all-calls", onclick: () => setCalls({ isWhole: true }) })),
  );
  setCalls({});
}

function callsNote() {
  const { comparedWith } = report.followUp;
  const asked = callsIn(chosen, (row, { cause }) => cause[row] != null);
  const unknown = callsIn(chosen, (row, { cause }) => cause[row] === "unknown");
  const fresh = callsIn(chosen, (row, { isNew }) => isNew[row]);
  const parts = [
    "Each person once, with what is to be asked first. Tick whom you have called: the marks are kept in the address of this page, and nowhere else.",
    callsIn() && comparedWith != null && `${fresh ? plural(fresh, "person is", "people are") : "Nobody is"} new since the list of ${nearDay(comparedWith)}.`,
    unknown && (unknown === asked ? "The person and the device cannot be told apart: no synchronisation data are loaded that would show it." : `Of ${plural(unknown, "person", "people")} the synchronisation is not known: there, the person and the device cannot be told apart.`),
  ];
  return el("p.note", null, parts.filter(Boolean).join(" "));
}

// In a very large study the page has only the first of the list.
function callsLeftOut(shownRows) {
  const all = callsIn();
  if (!report.sample || shownRows === all) return null;
  const group = report.groups[chosen];
  const command = `python -m ingestion follow-up${group.kind === "all" ? "" : ` --${group.kind} "${group.title}"`} --format csv --output follow-up.csv`;
  const first = number.format(report.sample.mostCalls);
  const shown = chosen === EVERYONE ? `the first ${first} of them, in the order to call` : shownRows ? `${number.format(shownRows)} of them: those who are among the first ${first} of everyone` : `none of them, because none is among the first ${first} of everyone`;
  const why = Object.entries(REASON_WORDS)
    .map(([name, { name: text }]) => [callsIn(chosen, (row, { reason }) => reason[row] === name), text.toLowerCase()])
    .filter(([users]) => users)
    .map(([users, text]) => `${number.format(users)} ${text}`);
  return el("p.note.left-out", null, `${plural(all, "person has", "people have")} to be called${chosen === EVERYONE ? "" : ` in ${groupName(chosen)}`}: ${listed(why)}. This page lists ${shown}. The whole list: `, el("code", null, command));
}

function resolvedNote() {
  const { resolved, comparedWith } = report.followUp;
  const gone = resolved.filter(({ participant }) => isMember(participant, chosen));
  if (!gone.length) return null;
  const say = ({ participant, reason }) => [el("a", { href: addressOf(report.participants.name[participant]) }, report.participants.name[participant]), ` (${REASON_WORDS[reason].name.toLowerCase()} before, now ${STATUS[report.participants.status[participant]].name.toLowerCase()})`];
  return el(
    "details.how.resolved",
    null,
    el("summary", null, `${plural(gone.length, "person", "people")}${report.sample ? " in this report" : ""} ${gone.length === 1 ? "is" : "are"} no longer on the list since ${nearDay(comparedWith)}`),
    el("ul", null, gone.map((each) => el("li", null, say(each)))),
  );
}

function callControls(rows) {
  const { reason, participant } = report.followUp;
  const { arm, site } = report.participants;
  const found = (values) => [...new Set(values)].filter((value) => value != null);
  const select = (name, label, options) => options.length > 1 && el("label", null, el("span", null, label), choice(`calls-${name}`, options, calls[name], (value) => setCalls({ [name]: value })));
  const groups = (kind, of) => {
    const numbers = chosen === EVERYONE || report.groups[chosen].kind !== kind ? found(rows.map((row) => of[participant[row]])) : [];
    // a choice that another group does not have would hide everybody
    if (!numbers.includes(Number(calls[kind]))) calls[kind] = "";
    return numbers.length > 1 ? [["", `All ${kind}s`], ...numbers.sort((a, b) => a - b).map((number) => [String(number), report.groups[number].title])] : [];
  };
  const reasons = found(rows.map((row) => reason[row]));
  if (!reasons.includes(calls.reason)) calls.reason = "";
  const many = (name) => rows.filter((row) => reason[row] === name).length;
  return el(
    "div.controls",
    null,
    select("reason", "What", [["", `Everything (${number.format(rows.length)})`], ...Object.keys(REASON_WORDS).filter((name) => reasons.includes(name)).map((name) => [name, `${REASON_WORDS[name].name} (${number.format(many(name))})`])]),
    select("arm", "Arm", groups("arm", arm)),
    select("site", "Site", groups("site", site)),
    select("shown", "Show", Object.entries(SHOWN).filter(([name]) => name !== "new" || report.followUp.comparedWith != null)),
    select("sort", "Sort", Object.entries(CALL_SORTS).filter(([name]) => !["arm", "site"].includes(name) || found(rows.map((row) => report.participants[name][participant[row]])).length)),
    el("button.button", { type: "button", id: "download", onclick: downloadCalls, title: "The rows in view as a file for a spreadsheet. Nothing is sent." }, "Download CSV"),
  );
}

function setCalls(change) {
  if (!("isWhole" in change) && Object.keys(change).length) calls.isWhole = false;
  Object.assign(calls, change);
  const { reason, participant, isNew } = report.followUp;
  const { arm, site } = report.participants;
  const all = callsOf();
  calls.rows = all
    .filter((row) => {
      const who = participant[row];
      if (calls.reason && reason[row] !== calls.reason) return false;
      if (calls.arm && arm[who] !== Number(calls.arm)) return false;
      if (calls.site && site[who] !== Number(calls.site)) return false;
      return calls.shown === "all" || (calls.shown === "new" ? isNew[row] : !isCalled(row));
    })
    .sort(callOrder(calls.sort));
  renderCalls(all);
}

function callOrder(sort) {
  const { sinceDate, participant } = report.followUp;
  const { name } = report.participants;
  const group = (kind) => (row) => report.participants[kind][participant[row]] ?? Infinity;
  const keys = {
    order: () => 0,
    longest: (a, b) => sinceDate[a] - sinceDate[b],
    latest: (a, b) => sinceDate[b] - sinceDate[a],
    name: (a, b) => byName(name[participant[a]], name[participant[b]]),
    // none of them may be in a group
    arm: (a, b) => (group("arm")(a) > group("arm")(b)) - (group("arm")(a) < group("arm")(b)),
    site: (a, b) => (group("site")(a) > group("site")(b)) - (group("site")(a) < group("site")(b)),
  };
  return (a, b) => keys[sort](a, b) || a - b;
}

function renderCalls(all) {
  const shown = calls.isWhole ? calls.rows : calls.rows.slice(0, CALLS_AT_FIRST);
  const body = document.getElementById("calls");
  body.replaceChildren(...shown.map(callRow));
  if (!shown.length) body.append(el("tr", { role: "row" }, el("td", { role: "cell", colspan: String(COLUMNS.length) }, calls.shown === "open" ? "Everybody in view has been called." : "Nobody matches.")));
  const more = document.getElementById("all-calls");
  more.hidden = shown.length === calls.rows.length;
  more.textContent = `Show all ${number.format(calls.rows.length)}`;
  countCalls(all);
}

function countCalls(all = callsOf()) {
  const shown = calls.isWhole ? calls.rows.length : Math.min(calls.rows.length, CALLS_AT_FIRST);
  document.getElementById("calls-count").textContent = `${number.format(shown)} of ${plural(callsIn(), "person", "people")} to call${all.length < callsIn() ? `, of whom this page lists ${number.format(all.length)}` : ""}. ${number.format(all.filter(isCalled).length)} called.`;
}

function callRow(row) {
  const { participant, reason, isNew, sinceDate, saidOn, certainty, cause, lastSyncDate, lastValidDate, usualSteps, recentSteps } = report.followUp;
  const who = participant[row];
  const name = report.participants.name[who];
  const { name: what, status, title } = REASON_WORDS[reason[row]];
  const by = LESS_BY[report.participants.wearingLessBy[who]];
  const [sure, sureTitle] = CERTAINTY[certainty[row]];
  const cell = (label, attributes, ...content) => el("td", { role: "cell", "data-label": label, ...attributes }, ...content);
  const days = report.asOf - sinceDate[row] + 1;
  const date = (value) => (value == null ? "–" : nearDay(value));
  const place = placeOf(who);
  const box = el("input", {
    type: "checkbox",
    "aria-label": `${name} called`,
    checked: isCalled(row),
    onchange: (event) => {
      setMark(name, event.target.checked);
      event.target.closest("tr").toggleAttribute("data-called", event.target.checked);
      countCalls();
    },
  });
  return el(
    "tr",
    { role: "row", "data-called": isCalled(row), "data-reason": reason[row] },
    cell("Called", { class: "call-box" }, el("label", { title: "Tick whom you have called" }, box)),
    cell("Participant", { class: "call-who" }, el("a.row-name", { href: addressOf(name) }, name), place && el("small", null, place)),
    cell("What", { class: "call-what" }, el("span.what", { title }, statusMark(status), el("b", null, what)), isNew[row] && el("span.new", { title: `Not on the list of ${day(report.followUp.comparedWith)} for this` }, "New"), reason[row] === "wearing_less" && by && el("small", null, by)),
    cell("Since", { class: "call-since", title: `The first day of this. Said since ${day(saidOn[row])}.` }, date(sinceDate[row]), el("small", null, plural(days, "day"))),
    cell("Person or device?", { class: "call-cause", title: CAUSE_TITLES[cause[row]] ?? "The question does not arise." }, causeText(row)),
    cell("How sure", { class: "call-sure", title: `${sureTitle} ${evidenceWords(row)}.` }, sure, el("span.visually-hidden", null, `: ${evidenceWords(row)}`)),
    cell("Last sync", { class: "call-sync", title: "The last known synchronisation of the device" }, date(lastSyncDate[row])),
    cell("Last valid day", { class: "call-valid", title: "The last complete day on which the device was worn long enough" }, date(lastValidDate[row])),
    cell("Steps: usual → recent", { class: "call-steps figure", title: "Median steps of a valid day: at the start, and in the latest 14 days" }, count(usualSteps[row]), el("span.arrow", { "aria-hidden": "true" }, " → "), el("span.visually-hidden", null, " at the start, recently "), count(recentSteps[row])),
  );
}

function callRecord(row) {
  const list = report.followUp;
  const who = list.participant[row];
  const group = (kind) => (report.participants[kind][who] == null ? null : report.groups[report.participants[kind][who]].title);
  return {
    participant: report.participants.name[who],
    arm: group("arm"),
    site: group("site"),
    called: isCalled(row) ? "yes" : "no",
    what: REASON_WORDS[list.reason[row]].name,
    new: list.isNew[row] ? "yes" : "no",
    since: isoDay(list.sinceDate[row]),
    said_on: isoDay(list.saidOn[row]),
    person_or_device: causeText(row),
    how_sure: CERTAINTY[list.certainty[row]][0],
    evidence: list.evidence[row],
    threshold: list.threshold[row],
    last_sync: isoDay(list.lastSyncDate[row]),
    battery_percent: list.batteryPercent[row],
    battery_state: list.batteryState[row],
    last_valid_day: isoDay(list.lastValidDate[row]),
    usual_steps: list.usualSteps[row],
    recent_steps: list.recentSteps[row],
    as_of: isoDay(report.asOf),
  };
}

function downloadCalls() {
  const records = calls.rows.map(callRecord);
  const columns = Object.keys(callRecord(0));
  download(`to_call_${isoDay(report.asOf)}.csv`, csvOf([columns, ...records.map((record) => columns.map((column) => record[column]))]));
}
