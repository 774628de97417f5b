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
        el("li", null, "A day is valid if it is complete, the device was worn (heart rate for 10 hours, or steps in 10 hours, where the data tell), and it has 100 to 45,000 steps. These limits are the defaults and can be changed."),
        el("li", null, "Participants are compared only with themselves. The start is their first 21 to 84 valid days. The month before is the four weeks before the latest two."),
        el("li", null, "Steady is stable or increasing. Need a look is declining, wearing less or never started. Too new is fewer than 21 valid days. Stopped is not worn for 5 days after regular wear, or for 14 days. Shares are of everyone enrolled; groups of fewer than 10 people have none."),
        el("li", null, "Declining and increasing are said when the evidence (a CUSUM of the logarithm of steps, from 0 to 10) rises above 5, and taken back when it falls below 2.5. Since is the day from which the evidence grew, some days before the status was said."),
        el("li", null, "An alert is the second unusually low day in a row (a robust z-score of −2 or less). It is not a medical finding."),
        el("li", null, "The figures are not adjusted for weekdays or seasons. With few participants, shares vary a lot by chance."),
      ),
    ),
    el("p", null, privacy),
    el("p", null, `Written ${when(report.writtenAt)} by wearables-pipeline ${report.version}. This page makes no network requests. Charts: Apache ECharts.`),
  );
}

start();
