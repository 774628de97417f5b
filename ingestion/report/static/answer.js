// The answer: how many participants are steady, need a look, have stopped or are too new, compared with a week before.

function showAnswer(section) {
  const { asOf } = report;
  const counts = countsOf(report.people.status);
  const total = sumOf(counts, STATUSES);
  const select = groupSelect();
  if (!report.hasMarts || asOf == null || (total === 0 && chosen === EVERYONE)) {
    section.append(...[runBanner(), emptyAnswer()].filter(Boolean));
    return;
  }
  const countsBefore = countsOf(report.people.before);
  const hadBefore = countsBefore.some((users) => users > 0);
  // those that need a roster only where somebody has them
  const shown = STATUSES.filter((status) => ![NEVER_STARTED, COMPLETED, WITHDRAWN].includes(status) || counts[status] || countsBefore[status]);
  section.append(
    ...[
      runBanner(),
      el("div.answer-head", null, el("p.kicker", null, `As of ${day(asOf)}, the latest complete day · `, el("span", { title: when(report.writtenAt) }, freshness())), select),
      headline(counts, total),
      el("p.lead", null, lead(counts, countsBefore, hadBefore)),
      shareBar(counts, total),
      el("ul.tiles", { "data-tiles": String(shown.length) }, shown.map((status) => tile(status, counts[status], total, hadBefore ? countsBefore[status] : null))),
      moves(),
      report.sample && el("p.note.sample", null, `These numbers count everybody. ${shownText()}`),
      hiddenGroupsNote(),
    ].filter(Boolean),
  );
}

// the people of a group in each status, now or seven days before: everybody, whoever is shown
function countsOf(statuses, group = chosen) {
  const counts = STATUS.map(() => 0);
  for (const row of rowsOf(report.people, group)) counts[statuses[row]] += report.people.users[row];
  return counts;
}

const sumOf = (counts, statuses) => statuses.reduce((sum, status) => sum + counts[status], 0);

function freshness() {
  const behind = Math.floor(Date.now() / DAY) - report.asOf;
  return behind <= 1 ? "up to date" : `${plural(behind, "day")} ago`;
}

function headline(counts, total) {
  const steady = sumOf(counts, STEADY);
  const look = sumOf(counts, NEED_A_LOOK);
  const part = (tone, users, text, title, end) => el("span", { title }, el(`em.${tone}`, null, users ? number.format(users) : "none"), ` ${text}${end}`);
  const parts = [
    [steady ? "good" : "plain-tone", steady, `of ${number.format(total)} steady`, "Stable or moving more, of everyone enrolled"],
    [look ? "look" : "plain-tone", look, look < 2 ? "needs a look" : "need a look", "Moving less, wearing less or never started"],
    [counts[STOPPED] ? "bad" : "plain-tone", counts[STOPPED], "stopped", "No day with the device for 5 days after regular wear, or for 14 days: not worn, or not synchronised"],
    [counts[NEW] ? "plain-tone" : null, counts[NEW], "too new", "Fewer than 21 valid days: too early to say"],
  ].filter(([tone]) => tone);
  return el("h1.headline", { id: "answer-title" }, chosen !== EVERYONE && [el("span.of", null, `${capital(groupName(chosen))}:`), " "], parts.map((each, i) => [part(...each, i + 1 < parts.length ? ";" : ""), " "]).flat());
}

function lead(counts, before, hadBefore) {
  const groups = [
    [counts[DECLINING], "takes fewer steps than at the start", "take fewer steps than at their start"],
    [counts[WEARING_LESS], "wears the device less", "wear the device less"],
    [counts[NEVER_STARTED], "has never started", "have never started"],
  ].filter(([users]) => users);
  const out = [
    [counts[COMPLETED], "has completed the study", "have completed the study"],
    [counts[WITHDRAWN], "has withdrawn", "have withdrawn"],
  ].filter(([users]) => users);
  const say = ([users, one, many]) => `${number.format(users)} ${users === 1 ? one : many}`;
  const look = sumOf(counts, NEED_A_LOOK);
  const then = sumOf(before, NEED_A_LOOK);
  return [
    groups.length && `Of those who need a look, ${listed(groups.map(say))}.`,
    hadBefore && (look || then) && `Seven days before, ${look === then ? "the same number" : then ? number.format(then) : "none"} needed a look.`,
    out.length && `${listed(out.map(say))}.`,
  ]
    .filter(Boolean)
    .join(" ");
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

const listed = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

function shareBar(counts, total) {
  // in the order of the headline
  const shown = [...STEADY, ...STATUSES.slice(DECLINING)].map((status) => [status, counts[status]]).filter(([, users]) => users);
  const text = shown.map(([status, users]) => `${STATUS[status].name} ${groupShare(users, total) ?? users}`).join(", ");
  return el(
    "div.share-bar",
    { role: "img", "aria-label": text },
    shown.map(([status, users]) => el("span", { "data-status": STATUS[status].key, style: `flex-grow:${users}`, title: `${STATUS[status].name}: ${plural(users, "participant")}` })),
  );
}

function tile(status, users, total, before) {
  const { key, name, meaning } = STATUS[status];
  const change = before == null ? null : users - before;
  const changed = change == null ? "" : change === 0 ? "no change" : `${change > 0 ? "+" : "−"}${number.format(Math.abs(change))} in a week`;
  return el(
    "li",
    null,
    el(
      "button.tile",
      { type: "button", "data-status": key, onclick: () => filterParticipants({ status }), title: `${plural(users, "participant")}: ${meaning}. Show them.` },
      el("span.tile-name", null, statusMark(status), name),
      el("span.tile-count", { "data-count": key }, number.format(users)),
      el("span.tile-share", null, groupShare(users, total), changed && el("span.tile-change", { "data-change": key, title: `Compared with ${day(report.asOf - 7)}` }, `${total >= MIN_SHARE_USERS ? " · " : ""}${changed}`)),
      el("span.tile-meaning", null, meaning),
    ),
  );
}

// Participants whose status changed within a week, those who need a look first.
function moves() {
  const { status, before, users } = report.people;
  const groups = new Map();
  for (const row of rowsOf(report.people)) {
    if (status[row] !== before[row] && status[row] !== NO_STATUS && before[row] !== NO_STATUS) groups.set(before[row] * 16 + status[row], users[row]);
  }
  if (!groups.size) return null;
  const changed = [...groups.values()].reduce((a, b) => a + b, 0);
  const rank = (status) => CONCERN.indexOf(status);
  const items = [...groups].sort((a, b) => rank(a[0] % 16) - rank(b[0] % 16) || b[1] - a[1]).slice(0, 12);
  return el(
    "div.moves",
    null,
    el("h2.small-title", { title: "Whoever has a status on both days, and not the same one" }, `${plural(changed, "participant")} changed status since ${shortDay(report.asOf - 7)}`),
    el(
      "ul",
      null,
      items.map(([key, users]) => {
        const [from, to] = [key >> 4, key % 16];
        const label = `${number.format(users)}: ${STATUS[from].name} to ${STATUS[to].name}`;
        return el(
          "li",
          null,
          el(
            "button.move",
            { type: "button", "aria-label": label, title: `${plural(users, "participant")}: ${STATUS[from].name.toLowerCase()} on ${shortDay(report.asOf - 7)}, ${STATUS[to].name.toLowerCase()} now`, onclick: () => filterParticipants({ status: to, before: from }) },
            el("b", null, number.format(users)),
            statusMark(from),
            el("span", null, STATUS[from].name),
            el("span.arrow", { "aria-hidden": "true" }, "→"),
            statusMark(to),
            el("span", null, STATUS[to].name),
          ),
        );
      }),
    ),
  );
}

function runBanner() {
  const { run } = report;
  if (run.status !== "failure") return null;
  return el(
    "div.banner",
    { role: "alert" },
    el("strong", null, "This run failed. "),
    el("span.banner-error", null, run.error ?? "See the log."),
    run.hint && el("p", null, "What to do: ", run.hint),
    report.hasMarts && el("p", null, "The figures below come from the tables as they are now. ", el("a", { href: "#run" }, "Show what happened")),
  );
}

function emptyAnswer() {
  return el(
    "div",
    null,
    el("h1.headline", { id: "answer-title" }, "No answer yet"),
    el(
      "p.lead",
      null,
      report.hasMarts
        ? "The tables exist but have no complete day. The answer needs some weeks of daily activity."
        : "The tables behind this page have not been built yet. See below which files were loaded and which were not.",
    ),
  );
}
