// Which page is shown: the address says it, so the back button works, and a person can be linked to.

let current = null; // the person who is shown, null for the overview
let overviewScroll = 0;

async function start() {
  const loading = document.getElementById("loading");
  loading.hidden = false;
  try {
    await loadFigures();
  } catch (error) {
    loading.textContent = "This browser cannot unpack the figures: it is older than 2023. Open the page in a newer one.";
    throw error;
  }
  loading.remove();
  document.getElementById("theme").addEventListener("click", switchTheme);
  systemIsDark.addEventListener("change", () => {
    followTheme();
    recolour();
  });
  document.getElementById("overview").hidden = false;
  showAnswer(document.getElementById("answer"));
  showPeople(document.getElementById("people"));
  showData(document.getElementById("data"));
  showRun(document.getElementById("run"));
  showFoot(document.getElementById("foot"));
  addEventListener("hashchange", route);
  addEventListener("scroll", () => current == null && (overviewScroll = scrollY), { passive: true });
  showTime(document.getElementById("time"));
  route();
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

function route() {
  const match = location.hash.match(/^#\/person\/([\w-]+)$/);
  const person = match ? R.people.name.indexOf(match[1]) : -1;
  const overview = document.getElementById("overview");
  const article = document.getElementById("person");
  if (person >= 0) {
    const scroll = overviewScroll;
    current = person;
    overview.hidden = true;
    article.hidden = false;
    overviewScroll = scroll;
    showPerson(article, person);
    document.title = `${R.people.name[person]} · Engagement`;
    scrollTo(0, 0);
    document.getElementById("person-title").focus({ preventScroll: true });
    return;
  }
  const was = current;
  current = null;
  document.title = R.asOf == null ? "Engagement report" : `Engagement as of ${day(R.asOf)}`;
  if (was == null) return;
  article.hidden = true;
  article.replaceChildren();
  overview.hidden = false;
  redrawAll();
  renderRows(true);
  const section = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (section && section.id !== "people") section.scrollIntoView();
  else scrollTo(0, overviewScroll);
  // back to the row they came from
  const place = view.list.indexOf(was);
  if (place >= 0) focusRow(place);
}

function switchTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("report-theme", root.dataset.theme);
  } catch {
    // kept for as long as the page is open
  }
  recolour();
}

function recolour() {
  redrawAll();
  if (rows) renderRows(true);
}

function showFoot(foot) {
  const who = R.hasUserIds
    ? "People go by their user ids here: keep this file as you keep the data."
    : "People go by pseudonyms, the same in every report. Pseudonyms are not anonymity: keep this file as you keep the data.";
  foot.append(
    el(
      "details.how",
      null,
      el("summary", null, "How to read this, and what it cannot tell"),
      el(
        "ul",
        null,
        el("li", null, "A day counts when it has a record, is over, and has 100 to 45,000 steps. Cut-offs can be set; these are the usual ones."),
        el("li", null, "Everybody is compared with themselves: two weeks with the four weeks before; a day with the valid days among the 28 before it."),
        el("li", null, "Declining: the device is worn and the median of steps is below 80 % of what it was. Disengaging and lapsed speak of the device: whoever leaves it in a drawer may walk more than ever."),
        el("li", null, "An alert is the second unusually low day in a row: a robust z of −2 or less. It is neither a symptom nor a sign of health."),
        el("li", null, "Weekdays and seasons are in the figures. Shares of few people are shares of few people."),
      ),
    ),
    el("p", null, who),
    el("p", null, `Written ${when(R.writtenAt)} by wearables-pipeline ${R.version}. This page sends nothing and asks for nothing. Charts: Apache ECharts.`),
  );
}

start();
