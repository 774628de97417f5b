// Which days count: where people and days are lost, what the definition of a day does to the mean, and what cannot be judged.

const STEP_NAMES = {
  known: "Known",
  any_record: "With any record",
  whole_days: "Whole days",
  worn: "Worn",
  plausible: "Plausible: valid days",
  with_baseline: "With a baseline",
};
// what the step before had and this one has not
const LOST = {
  any_record: "without any record",
  whole_days: "the last day of an export, which is not over",
  worn: "not worn long enough",
  plausible: "without steps, or with too few or too many",
  with_baseline: "first valid days, which are the baseline of the others",
};
const DEFINITION_NAMES = {
  every_record: "Every day with steps",
  plausible: "Plausible days",
  worn: "Days surely worn",
  plausible_and_worn: "Plausible days, surely worn",
  valid: "Valid days, as this report counts",
  in_valid_weeks: "Valid days of weeks with enough",
};
// the marts name "at_least_1000" after its number
const definitionName = (name) => DEFINITION_NAMES[name] ?? (name.startsWith("at_least_") ? `Days with ${plural(Number(name.slice(9)), "step")} or more` : words(name));
const UNJUDGED = {
  can_be_flagged: "can be flagged",
  no_record: "no record on that day",
  partial_day: "the last day of an export, which is not over",
  not_worn: "not worn long enough",
  steps_missing: "a record without steps",
  steps_below_min: "too few steps to be a day with the device",
  steps_above_max: "too many steps to be true",
  insufficient_baseline: "too few valid days before it to compare with",
  metric_missing: "no step count on a valid day",
  mad_zero: "the days before it hardly differ",
  cannot_be_low: "the days before it differ so much that none is unusual",
};
const unjudgedName = (reason) => UNJUDGED[reason] ?? words(reason);

// The columns of a mart as one object a row, of a group.
function recordsOf(columns, number = chosen) {
  const names = Object.keys(columns ?? {});
  return columns ? rowsOf(columns, number).map((row) => Object.fromEntries(names.map((name) => [name, columns[name][row]]))) : [];
}

function showFlow(section) {
  section.append(el("h2", { id: "days-title" }, "Which days count", ofGroup()));
  const steps = recordsOf(report.flow);
  if (!steps.length) {
    section.append(el("p.note", null, "There is no day to count yet."));
    return;
  }
  section.append(
    el("p.note", null, "Where participants and days are lost, from the roster to the days that can be compared with the participant's own. A paper reports these numbers (CONSORT, STROBE)."),
    el("div.pair.days", null, flowCard(steps), el("div.column", null, definitionsCard(), unjudgedCard())),
  );
}

const daysKept = (steps, step) => (step.user_days == null || !steps[1]?.user_days ? null : (100 * step.user_days) / steps[1].user_days);

function flowCard(steps) {
  const items = steps.flatMap((step, i) => {
    const before = steps[i - 1];
    const lost = before && lostAt(before, step);
    const kept = daysKept(steps, step);
    return [
      lost && el("li.lost", { "data-lost": step.step }, lost),
      el(
        "li.step",
        { "data-step": step.step, title: step.description },
        el("span.step-name", null, STEP_NAMES[step.step] ?? words(step.step)),
        el("span.step-users", { title: `Participants: ${step.description}` }, el("b", null, count(step.users)), " ", step.users === 1 ? "person" : "people"),
        el("span.step-days", { title: `Participant-days: ${step.description}` }, step.user_days == null ? "" : [el("b", null, count(step.user_days)), " days"]),
        el("span.step-share", { title: "Share of the days with a record" }, kept == null ? "" : share(kept)),
        el("small.step-note", null, step.description),
        kept != null && el("span.bar", { "aria-hidden": "true" }, el("i", { style: `width:${kept}%` })),
      ),
    ].filter(Boolean);
  });
  return card("From the roster to the days that are compared", "people and their days after each step, and the share of the days with a record", el("ol.flow", { "aria-label": "Flow of participants and days" }, items));
}

function lostAt(before, step) {
  const users = before.users - step.users;
  const days = before.user_days == null ? 0 : before.user_days - step.user_days;
  if (!users && !days) return null;
  const parts = [users && plural(users, "person", "people"), days && plural(days, "day")].filter(Boolean).join(", ");
  return `− ${parts}: ${LOST[step.step] ?? ""}`;
}

function definitionsCard() {
  const definitions = recordsOf(report.definitions);
  const means = definitions.map(({ mean_steps: mean }) => mean).filter((mean) => mean != null);
  const most = Math.max(...means, 1);
  const spread = means.length > 1 ? `The definition alone moves the mean from ${count(Math.min(...means))} to ${count(Math.max(...means))} steps a day.` : "The same days, counted as different publications do.";
  const bar = (mean) => el("span.mean", null, el("span", null, count(mean)), el("span.bar", { "aria-hidden": "true" }, el("i", { style: `width:${mean == null ? 0 : (100 * mean) / most}%` })));
  const rows = definitions.map((row) => [explained(definitionName(row.definition), row.definition.startsWith("at_least_") ? null : row.description), count(row.users), count(row.user_days), bar(row.mean_steps)]);
  return card("What the definition does to the mean", spread, table("Mean steps, by definition of a valid day", ["Definition", ["People", "Participants with such a day"], ["Days", "Participant-days that the definition counts"], ["Mean steps", "Mean over all these participant-days"]], rows, { figures: [1, 2] }));
}

// { all, flagged, others, noSignal }: the days of the chosen group by why they cannot be flagged
function unjudgedDays() {
  const rows = recordsOf(report.unjudged);
  const of = (name) => rows.find(({ reason }) => reason === name);
  const others = rows.filter(({ reason, user_days: days }) => !["can_be_flagged", "no_wear_signal"].includes(reason) && days);
  const flagged = of("can_be_flagged")?.user_days ?? 0;
  return { flagged, others: others.sort((a, b) => b.user_days - a.user_days), noSignal: of("no_wear_signal"), all: others.reduce((sum, row) => sum + row.user_days, flagged) };
}

function unjudgedText({ all, others, noSignal, flagged }) {
  if (!all) return "There is no day yet.";
  const unjudged = all - flagged;
  const most = others.slice(0, 3).map((row) => `${unjudgedName(row.reason)} (${share((100 * row.user_days) / all)})`);
  return [
    `${share((100 * unjudged) / all)} of all days cannot be flagged as unusually low${unjudged ? `. ${others.length > 3 ? "The main reasons" : "The reasons"}: ${listed(most)}.` : "."}`,
    noSignal?.user_days && `Of the days that can be, ${share((100 * noSignal.user_days) / flagged)} are judged from steps alone: nothing tells whether the device was worn all day.`,
  ]
    .filter(Boolean)
    .join(" ");
}

function unjudgedCard() {
  const found = unjudgedDays();
  const line = (row) =>
    el(
      "li",
      { title: row.description, "data-unjudged": row.reason },
      el("span.bar-name", null, unjudgedName(row.reason), el("small", null, ` ${plural(row.users, "person", "people")}`)),
      el("span.bar", { "aria-hidden": "true" }, el("i", { style: `width:${(100 * row.user_days) / found.all}%` })),
      el("b", { title: `${count(row.user_days)} participant-days` }, count(row.user_days)),
    );
  return card("Cannot be judged", unjudgedText(found), found.others.length && el("ul.bars", { "aria-label": "Days that cannot be flagged, by reason" }, found.others.map(line)));
}

function explained(name, description) {
  return el("span.rule", null, el("b", null, name), description && el("small", null, description));
}
