// Shows the overview or a participant, as the address says, so that the back button and links work.

let shownParticipant = null; // the participant shown; null for the overview
let overviewScroll = 0;

async function start() {
  const loading = document.getElementById("loading");
  loading.hidden = false;
  try {
    await loadFigures();
  } catch (error) {
    loading.textContent = "This browser is too old to open the report. Use a browser from 2023 or later.";
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
  showParticipants(document.getElementById("participants"));
  showData(document.getElementById("data"));
  showRun(document.getElementById("run"));
  showFoot(document.getElementById("foot"));
  addEventListener("hashchange", route);
  addEventListener("scroll", () => shownParticipant == null && (overviewScroll = scrollY), { passive: true });
  showTime(document.getElementById("time"));
  route();
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

function route() {
  const participant = location.hash ? report.participants.name.findIndex((name) => addressOf(name) === location.hash) : -1;
  const overview = document.getElementById("overview");
  const article = document.getElementById("participant");
  if (participant >= 0) {
    const scroll = overviewScroll;
    shownParticipant = participant;
    overview.hidden = true;
    article.hidden = false;
    overviewScroll = scroll;
    showParticipant(article, participant);
    document.title = `${report.participants.name[participant]} · Engagement`;
    scrollTo(0, 0);
    document.getElementById("participant-title").focus({ preventScroll: true });
    return;
  }
  const was = shownParticipant;
  shownParticipant = null;
  document.title = report.asOf == null ? "Engagement report" : `Engagement as of ${day(report.asOf)}`;
  if (was == null) return;
  article.hidden = true;
  article.replaceChildren();
  overview.hidden = false;
  redrawAll();
  renderRows(true);
  const section = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (section && section.id !== "participants") section.scrollIntoView();
  else scrollTo(0, overviewScroll);
  // back to the row of that participant
  const place = view.list.indexOf(was);
  if (place >= 0) focusRow(place);
}

function switchTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("report-theme", root.dataset.theme);
  } catch {
    // then the choice lasts as long as the page is open
  }
  recolour();
}

function recolour() {
  redrawAll();
  if (rows) renderRows(true);
}

function showFoot(foot) {
  const privacy = report.hasUserIds
    ? "This report shows user ids. Protect this file as you protect the data."
    : "Each participant has a pseudonym, the same in every report. Pseudonyms do not make the data anonymous: protect this file as you protect the data.";
  foot.append(
    el(
      "details.how",
      null,
      el("summary", null, "How to read this report, and its limits"),
      el(
        "ul",
        null,
        el("li", null, "A day is valid if it has a record, is complete, and has 100 to 45,000 steps. These limits are the defaults and can be changed."),
        el("li", null, "Participants are compared with themselves: the latest two weeks with the four weeks before, and a day with the valid days among the 28 days before it."),
        el("li", null, "Declining means that the device is worn and the median of steps is below 80 % of the median before. Disengaging and lapsed are about wearing the device: a participant who leaves it in a drawer may walk as much as before."),
        el("li", null, "An alert is the second unusually low day in a row (a robust z-score of −2 or less). It is not a medical finding."),
        el("li", null, "The figures are not adjusted for weekdays or seasons. With few participants, shares vary a lot by chance."),
      ),
    ),
    el("p", null, privacy),
    el("p", null, `Written ${when(report.writtenAt)} by wearables-pipeline ${report.version}. This page makes no network requests. Charts: Apache ECharts.`),
  );
}

start();
