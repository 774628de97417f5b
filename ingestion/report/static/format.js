// Formats numbers and dates, and makes elements.

// numbers and dates as the reader's browser is set
const number = new Intl.NumberFormat();
const oneDecimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const percentage = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const dateFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const dayMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const monthName = new Intl.DateTimeFormat(undefined, { month: "short", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const day = (n) => (n == null ? "–" : dateFormat.format(n * DAY));
const shortDay = (n) => dayMonth.format(n * DAY);
const isoDay = (n) => (n == null ? null : new Date(n * DAY).toISOString().slice(0, 10));
const count = (n) => (n == null ? "–" : number.format(Math.round(n)));
const percent = (part, whole) => (whole ? share((100 * part) / whole) : "–");
// a share of a group of people, where it has enough people
const groupShare = (part, whole) => (whole >= MIN_SHARE_USERS ? percent(part, whole) : null);
const ratioText = (ratio) => (ratio == null ? "–" : share(100 * ratio));
const whole = (value) => percentage.format(Math.round(value) / 100);
const share = (value) => (value > 0 && value < 1 ? `< ${whole(1)}` : whole(value));
const plural = (n, one_, many) => `${number.format(n)} ${n === 1 ? one_ : many ?? `${one_}s`}`;
const addressOf = (name) => `#/participant/${encodeURIComponent(name)}`;
const when = (iso) => (iso ? moment.format(new Date(iso)) : "–");

function seconds(value) {
  if (value == null) return "–";
  if (value < 1) return `${Math.max(1, Math.round(value * 1000))} ms`;
  if (value < 120) return `${oneDecimal.format(value)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

function hours(minutes) {
  return `${Math.floor(minutes / 60)} h ${String(Math.round(minutes % 60)).padStart(2, "0")} min`;
}

function ago(iso, now = Date.now()) {
  const hoursAgo = (now - new Date(iso)) / 3600000;
  if (hoursAgo < 1) return `${Math.max(Math.round(60 * hoursAgo), 1)} min ago`;
  if (hoursAgo < 48) return `${plural(Math.floor(hoursAgo), "hour")} ago`;
  return `${plural(Math.floor(hoursAgo / 24), "day")} ago`;
}

// el("p.note", { id: "x" }, "text", child): text from outside is never parsed as HTML
function el(selector, attributes, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

function statusMark(status) {
  return el("span.mark", { "data-status": STATUS[status].key, "aria-hidden": "true" }, STATUS[status].glyph);
}

// A table with a caption, column headers and right-aligned figures. A header may be [text, what its figures count].
function table(caption, headers, rows, { figures = [], hidden = true } = {}) {
  const isFigure = (index) => (figures.includes(index) ? "figure" : null);
  return el(
    "div.table-scroll",
    { tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      null,
      el("caption", { class: hidden ? "visually-hidden" : null }, caption),
      el("thead", null, el("tr", null, headers.map((header, i) => el("th", { scope: "col", class: isFigure(i), title: Array.isArray(header) ? header[1] : null }, Array.isArray(header) ? header[0] : header)))),
      el("tbody", null, rows.map((row) => el("tr", null, row.map((cell, i) => el("td", { class: isFigure(i) }, cell ?? "–"))))),
    ),
  );
}

// The figures of a chart as a table, folded. The rows are made when it is opened.
function asTable(caption, headers, rows, options) {
  const details = el("details.as-table", null, el("summary", null, "Show as table"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(table(caption, headers, rows(), options));
  });
  return details;
}
