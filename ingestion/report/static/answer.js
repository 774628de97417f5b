// The answer: how many participants keep up and how many do not, compared with a week before.

function showAnswer(section) {
  const { counts, countsBefore, asOf } = report;
  const total = counts ? counts.reduce((a, b) => a + b, 0) : 0;
  if (!report.hasMarts || asOf == null || total === 0) {
    section.append(runBanner(), emptyAnswer());
    return;
  }
  const hadBefore = countsBefore.some((users) => users > 0);
  section.append(
    ...[runBanner()].filter(Boolean),
    el("p.kicker", null, `As of ${day(asOf)}, the latest complete day · `, el("span", { title: when(report.writtenAt) }, freshness())),
    headline(counts, total),
    el("p.lead", null, lead(counts, countsBefore, hadBefore)),
    ...[unknownNote(counts[5])].filter(Boolean),
    shareBar(counts, total),
    el("ul.tiles", null, counts.map((users, status) => tile(status, users, total, hadBefore ? countsBefore[status] : null))),
    ...[moves()].filter(Boolean),
  );
}

function freshness() {
  const behind = Math.floor(Date.now() / DAY) - report.asOf;
  return behind <= 1 ? "up to date" : `${plural(behind, "day")} ago`;
}

function headline(counts, total) {
  const [increasing, stable, declining, disengaging, lapsed, unknown] = counts;
  const compared = total - unknown;
  const keeping = increasing + stable;
  const fading = declining + disengaging + lapsed;
  const title = el("h1.headline", { id: "answer-title" });
  if (!compared) title.append(`${plural(total, "participant")}, none with a baseline yet`);
  else
    title.append(
      el("span", null, el("em.good", null, number.format(keeping)), ` of ${plural(compared, "participant")} ${keeping === 1 ? "keeps" : "keep"} up,`),
      " ",
      el("span", null, el(fading ? "em.bad" : "em.good", null, fading ? number.format(fading) : "none"), fading === 1 ? " does not" : fading ? " do not" : " is falling behind"),
    );
  return title;
}

function lead(counts, before, hadBefore) {
  const [, , declining, disengaging, lapsed] = counts;
  const fading = declining + disengaging + lapsed;
  const parts = [
    declining && `${number.format(declining)} ${declining === 1 ? "takes" : "take"} clearly fewer steps than usual`,
    disengaging && `${number.format(disengaging)} ${disengaging === 1 ? "wears" : "wear"} the device on half the days or fewer`,
    lapsed && `${number.format(lapsed)} ${lapsed === 1 ? "has" : "have"} not worn it for two weeks`,
  ].filter(Boolean);
  let text = parts.length ? `${parts.join(", ")}. ` : "";
  if (hadBefore) {
    const then = before[2] + before[3] + before[4];
    text += fading === then ? "The number was the same a week before." : `A week before, ${number.format(then)} did not keep up.`;
  }
  return text;
}

function unknownNote(unknown) {
  if (!unknown) return null;
  let away = 0;
  for (let participant = 0; participant < report.size; participant++) if (isAway(participant)) away++;
  const groups = [away && `${number.format(away)} away for about five weeks or more`, unknown > away && `${number.format(unknown - away)} new or recently back`];
  return el("p.note", null, `${number.format(unknown)} more cannot be compared: ${groups.filter(Boolean).join(", ")}.`);
}

function shareBar(counts, total) {
  const shown = counts.map((users, status) => [status, users]).filter(([, users]) => users);
  const text = shown.map(([status, users]) => `${STATUS[status].name} ${percent(users, total)}`).join(", ");
  return el(
    "div.share-bar",
    { role: "img", "aria-label": text },
    shown.map(([status, users]) => el("span", { "data-status": STATUS[status].key, style: `flex-grow:${users}`, title: `${STATUS[status].name}: ${users}` })),
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
      { type: "button", "data-status": key, onclick: () => filterParticipants({ status }), title: `Show these participants: ${meaning}` },
      el("span.tile-name", null, statusMark(status), name),
      el("span.tile-count", { "data-count": key }, number.format(users)),
      el("span.tile-share", null, `${percent(users, total)}`, changed && el("span.tile-change", { "data-change": key }, ` · ${changed}`)),
      el("span.tile-meaning", null, meaning),
    ),
  );
}

// Participants whose status changed within a week, the most worrying first.
function moves() {
  const { status, before } = report.participants;
  const groups = new Map();
  for (let participant = 0; participant < report.size; participant++) {
    if (status[participant] === before[participant] || status[participant] > 5 || before[participant] > 5) continue;
    const key = before[participant] * 10 + status[participant];
    groups.set(key, (groups.get(key) ?? 0) + 1);
  }
  if (!groups.size) return null;
  const changed = [...groups.values()].reduce((a, b) => a + b, 0);
  const worry = (key) => (key % 10 === 5 ? -5 : (key % 10) - Math.floor(key / 10));
  const items = [...groups].sort((a, b) => worry(b[0]) - worry(a[0]) || b[1] - a[1]).slice(0, 12);
  return el(
    "div.moves",
    null,
    el("h2.small-title", null, `${plural(changed, "participant")} changed status since ${shortDay(report.asOf - 7)}`),
    el(
      "ul",
      null,
      items.map(([key, users]) => {
        const [from, to] = [Math.floor(key / 10), key % 10];
        const label = `${users}: ${STATUS[from].name} to ${STATUS[to].name}`;
        return el(
          "li",
          null,
          el(
            "button.move",
            { type: "button", "aria-label": label, onclick: () => filterParticipants({ status: to, before: from }) },
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
