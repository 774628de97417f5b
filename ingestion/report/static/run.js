// The run: its steps, the slowest models, failures, and earlier runs.

function showRun(section) {
  const { run, runs } = report;
  const verdict = { success: "succeeded", failure: "failed", running: "is still running" }[run.status] ?? run.status;
  const total = run.steps.reduce((sum, step) => sum + (step.seconds ?? 0), 0);
  section.append(
    el("h2", { id: "run-title" }, "Run"),
    el("p.note", null, el("span.state", { "data-state": run.status }, verdict), ` ${run.command ?? "run"}, ${when(run.startedAt)}, run `, el("code", null, run.id)),
  );
  if (run.status === "failure" && run.error) section.append(el("p.run-error", null, run.error));
  const cards = [
    card("Steps", `${seconds(total)} in total, without this report`, el("ul.bars", null, run.steps.map((step) => stepBar(step, run.steps)))),
    run.models.length ? modelsCard() : null,
    run.problems.length ? problemsCard() : null,
    runs.length > 1 ? runsCard() : null,
  ];
  section.append(el("div.pair", null, cards.filter(Boolean)));
}

function stepBar(step, steps) {
  const most = Math.max(...steps.map((each) => each.seconds ?? 0), 0.001);
  const details = [
    step.attempt > 1 && `attempt ${step.attempt}`,
    step.rowsIn != null && `${count(step.rowsIn)} rows in`,
    step.rowsOut != null && `${count(step.rowsOut)} out`,
    step.rowsRejected ? `${count(step.rowsRejected)} rejected` : null,
    step.files && Object.entries(step.files).map(([state, files]) => `${count(files)} ${state}`).join(", "),
  ].filter(Boolean);
  return el(
    "li",
    null,
    el("span.bar-name", null, words(step.name), " ", step.status !== "success" && el("span.state", { "data-state": step.status }, step.status), el("small", null, ` ${details.join(", ")}`), step.error && el("small.bar-error", null, step.error)),
    el("span.bar", { "aria-hidden": "true" }, el("i", { style: `width:${Math.max((100 * (step.seconds ?? 0)) / most, 0.5)}%` })),
    el("b", null, seconds(step.seconds)),
  );
}

function modelsCard() {
  const { models, built, tested, passed } = report.run;
  const most = Math.max(...models.map((model) => model.ms), 1);
  const note = models[0].isOfRun ? "" : "from the latest build, because this run built none. ";
  return card(
    "Slowest models",
    `${note}${plural(built, "model")} built, ${count(passed)} of ${plural(tested, "test")} passed`,
    el(
      "ul.bars",
      null,
      models.map((model) =>
        el(
          "li",
          null,
          el("span.bar-name", null, el("code", null, model.name), model.rows ? el("small", null, ` ${count(model.rows)} rows`) : ""),
          el("span.bar", { "aria-hidden": "true" }, el("i", { style: `width:${Math.max((100 * model.ms) / most, 0.5)}%` })),
          el("b", null, seconds(model.ms / 1000)),
        ),
      ),
    ),
  );
}

function problemsCard() {
  const lines = report.run.problems.map((node) => [el("code", null, node.name), el("span.state", { "data-state": node.status }, node.status), node.failures == null ? "–" : count(node.failures), node.message ? el("span.why", null, node.message) : ""]);
  const element = card("Failed tests and models, and warnings", "the schema dbt_test_failures has the rows that failed a test", table("Failures and warnings", ["Node", "Status", "Rows", "Message"], lines, { figures: [2] }));
  element.classList.add("wide");
  return element;
}

function runsCard() {
  const lines = report.runs.map((run) => {
    const status = run.id === report.run.id ? report.run.status : run.status;
    return [el("time", { datetime: run.startedAt }, when(run.startedAt)), el("span.state", { "data-state": status }, status), run.command ?? "", run.id === report.run.id ? "this run" : seconds(run.seconds), run.error ? el("span.why", null, run.error) : ""];
  });
  const element = card("Earlier runs", "the latest first", table("Runs", ["Started", "Status", "Command", "Duration", "Error"], lines));
  element.classList.add("wide");
  return element;
}
