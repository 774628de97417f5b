// Files, rows in quarantine, and the age of the data.

const REASON_TEXT = {
  not_castable: "not a number or a date",
  out_of_range: "out of range",
  missing_key: "no participant id or no date",
  too_few_fields: "too few fields",
  too_many_fields: "too many fields",
  undecodable: "not UTF-8",
  nul_byte: "NUL byte",
  unclosed_quote: "unclosed quote",
  stray_carriage_return: "stray carriage return",
  not_json: "not JSON",
};
const words = (text) => String(text ?? "").replaceAll("_", " ");

function showData(section) {
  const { byStatus, latest, rejected } = report.files;
  const sum = (field, status) => byStatus.filter((row) => !status || row.status === status).reduce((total, row) => total + row[field], 0);
  const loaded = sum("rowsLoaded", "loaded");
  const quarantined = sum("rowsRejected", "loaded");
  const refused = sum("files", "refused");
  section.append(
    el("h2", { id: "data-title" }, "Data"),
    el(
      "dl.facts",
      null,
      datum("Files loaded", count(sum("files", "loaded"))),
      datum("Files refused", count(refused), null, refused ? "bad" : ""),
      datum("Rows loaded", count(loaded)),
      datum("Rows in quarantine", count(quarantined), loaded + quarantined ? percent(quarantined, loaded + quarantined) : null, quarantined ? "warn" : ""),
      datum("Latest complete day", report.asOf == null ? "–" : day(report.asOf), report.asOf == null ? null : freshness()),
      datum("Latest file", latestAt() ? ago(latestAt()) : "–", latestAt() ? when(latestAt()) : null),
    ),
  );
  const cards = [datasetsCard(), rejected.length ? rejectedCard() : null, report.rules?.length ? rulesCard() : null, latest.length ? filesCard() : null];
  section.append(el("div.pair", null, cards.filter(Boolean)));
}

function datum(title, value, more, tone) {
  return el("div", { "data-tone": tone || null }, el("dt", null, title), el("dd", null, value, more && el("small", null, more)));
}

function latestAt() {
  return report.files.byStatus.filter((row) => row.status === "loaded").map((row) => row.latestAt).sort().at(-1);
}

function datasetsCard() {
  const { byStatus } = report.files;
  const datasets = [...new Set(byStatus.map((row) => row.dataset))];
  const of = (dataset, status, field) => byStatus.filter((row) => row.dataset === dataset && row.status === status).reduce((total, row) => total + row[field], 0);
  const lines = datasets.map((dataset) => {
    const latest = byStatus.filter((row) => row.dataset === dataset && row.status === "loaded").map((row) => row.latestAt).sort().at(-1);
    return [words(dataset), count(of(dataset, "loaded", "files")), count(of(dataset, "refused", "files")), count(of(dataset, "loaded", "rowsLoaded")), latest ? ago(latest) : "–"];
  });
  if (!lines.length) return card("Datasets", "no files yet");
  return card("Datasets", "what is loaded now, and when the latest file was loaded", table("Datasets", ["Dataset", "Files", "Refused", "Rows", "Latest file"], lines, { figures: [1, 2, 3] }));
}

function rejectedCard() {
  const { rejected } = report.files;
  const most = Math.max(...rejected.map((row) => row.rowsRejected));
  return card(
    "Rows in quarantine, by reason",
    "no figure above includes these rows; the commands `rejected list` and `rejected show` list them",
    el(
      "ul.bars",
      null,
      rejected.map((row) =>
        el(
          "li",
          null,
          el("span.bar-name", null, `${REASON_TEXT[row.reason] ?? words(row.reason)}${row.columnName ? ` in ${words(row.columnName)}` : ""}`, el("small", null, ` ${words(row.dataset)}, ${plural(row.files, "file")}, such as ${row.example}`)),
          el("span.bar", { "aria-hidden": "true" }, el("i", { style: `width:${Math.max((100 * row.rowsRejected) / most, 0.5)}%` })),
          el("b", null, count(row.rowsRejected)),
        ),
      ),
    ),
  );
}

// A name and its explanation, in one cell.
function rulesCard() {
  const lines = report.rules.map((row) => {
    const [dataset, rule] = row.rule.split(".");
    return [el("span.rule", null, `${words(dataset)}: ${words(rule)}`), count(row.rowsIn), count(row.rowsOut), count(row.rowsRejected), count(row.rowsDeduplicated), count(row.overlapConflicts)];
  });
  return card(
    "Rows by rule",
    "rows in = rows out + rejected + duplicates. Conflicts are days on which overlapping exports differ; the later export is used",
    table("Rows by rule", ["Rule", "In", "Out", "Rejected", "Duplicates", "Conflicts"], lines, { figures: [1, 2, 3, 4, 5] }),
  );
}

function filesCard() {
  const lines = report.files.latest.map((file) => [
    el("span.file", null, file.name),
    el("span.state", { "data-state": file.status }, file.status),
    el("time", { datetime: file.ingestedAt }, when(file.ingestedAt)),
    count(file.rowsLoaded),
    count(file.rowsRejected),
    file.reason ? el("span.why", null, file.reason) : "",
  ]);
  const note = report.files.latest.length >= 100 ? "the latest 100, refused files first" : "refused files first, then the latest";
  const element = card("Files", note, table("Files", ["File", "Status", "Time", "Rows", "Rejected", "Reason"], lines, { figures: [3, 4] }));
  element.classList.add("wide");
  return element;
}
