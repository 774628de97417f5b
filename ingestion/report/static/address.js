// What the address keeps after #, which a browser never sends: the place on the page, the group, and who has been called. A link,
// the back button and a reload show the same.

const MARKS_LAST = 7; // days: a list of another week has marks of its own

const address = { place: "", group: "", called: new Set(), calledOn: null };

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
};

// Takes the place, and what else the address says. Where it says nothing, what the page knows stays.
function readAddress(isPlaceOnly = false) {
  const [place, query = ""] = location.hash.slice(1).split("?");
  address.place = place;
  if (isPlaceOnly) return;
  for (const [name, value = ""] of query.split("&").map((part) => part.split("="))) {
    if (name === "group") address.group = decoded(value);
    if (name === "called") readMarks(value);
  }
}

function readMarks(value) {
  const [on, names = ""] = value.split(":");
  const date = Date.parse(on) / DAY;
  if (!(report.asOf - date >= 0 && report.asOf - date < MARKS_LAST)) return;
  address.calledOn = date;
  address.called = new Set(names.split(",").map(decoded).filter(Boolean));
}

// isNew: the back button comes back to the address before
function writeAddress(isNew = false) {
  const query = [
    address.group && `group=${encodeURIComponent(address.group)}`,
    address.called.size && `called=${isoDay(address.calledOn)}:${[...address.called].map(encodeURIComponent).join(",")}`,
  ].filter(Boolean);
  const hash = `#${address.place}${query.length ? `?${query.join("&")}` : ""}`;
  if (hash === (location.hash || "#") && history.state?.isKept) return;
  history[isNew ? "pushState" : "replaceState"]({ isKept: true }, "", hash);
}

function setMark(name, isCalled) {
  address.calledOn ??= report.asOf;
  address.called[isCalled ? "add" : "delete"](name);
  if (!address.called.size) address.calledOn = null;
  writeAddress();
}

// Follows the links of the page by itself, so that what the address keeps is kept.
function followLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    address.place = link.getAttribute("href").slice(1);
    writeAddress(true);
    route();
    const section = document.getElementById(address.place);
    section?.scrollIntoView();
    section?.focus({ preventScroll: true });
  });
  addEventListener("hashchange", () => {
    // an address that this page has written may be older than the marks
    readAddress(history.state?.isKept);
    chooseGroup(groupOf(address.group));
    writeAddress();
    route();
  });
}
