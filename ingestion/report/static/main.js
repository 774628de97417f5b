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
  readAddress();
  choosePeople(groupOf(address.group));
  document.getElementById("overview").hidden = false;
  showOverview();
  showFoot(document.getElementById("foot"));
  followLinks();
  followPrinting();
  addEventListener("scroll", () => shownParticipant == null && (overviewScroll = scrollY), { passive: true });
  route();
  document.getElementById(address.place)?.scrollIntoView();
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

const SECTIONS = { answer: showAnswer, call: showCalls, participants: showParticipants, days: showFlow, data: showData, run: showRun, time: showTime };

// all sections, of the chosen group
function showOverview() {
  const focus = document.activeElement?.id;
  for (const [id, show] of Object.entries(SECTIONS)) {
    const section = document.getElementById(id);
    section.replaceChildren();
    show(section);
  }
  redrawAll();
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

function route() {
  const participant = address.place.startsWith("/") ? report.participants.name.findIndex((name) => addressOf(name) === `#${address.place}`) : -1;
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
  // somebody whom the address names and the report does not show
  const missing = report.sample && address.place.startsWith("/participant/") ? decoded(address.place.slice("/participant/".length)) : "";
  if (missing) {
    address.place = "participants";
    document.getElementById("search").value = missing;
    setView({ statuses: new Set(), before: null, text: missing });
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
  const section = document.getElementById(address.place);
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

const HOW_TO_READ = [
  "A day is valid if it is complete, the device was worn (heart rate for 10 hours, or steps in 10 hours, where the data tell), and it has 100 to 45,000 steps. These limits are the defaults and can be changed.",
  "Participants are compared only with themselves. The start is their first 21 to 84 valid days. The month before is the four weeks before the latest two.",
  "Steady is stable or moving more. Need a look is moving less, wearing less or never started. Too new is fewer than 21 valid days. Stopped is not worn for 5 days after regular wear, or for 14 days. Shares are of everyone enrolled; groups of fewer than 10 people have none.",
  "Moving less and moving more are said when the evidence (a CUSUM of the logarithm of steps, from 0 to 10) rises above 5, and taken back when it falls below 2.5. Since is the day from which the evidence grew, some days before it was said.",
  "The figures are not adjusted for weekdays or seasons. With few participants, shares vary a lot by chance.",
  "How sure: counted is a count of days; clear is at least one and a half times the evidence that is needed, likely at least what is needed, and fading less than that.",
  "An alert is the second unusually low day in a row (a robust z-score of −2 or less). It is not a medical finding.",
];

const howToRead = () => (report.sample ? [`This study is large. ${shownText()} Only the lists have those shown: all other numbers and charts count everybody.`, ...HOW_TO_READ] : HOW_TO_READ);

const privacyText = () =>
  report.hasUserIds
    ? "This report shows user ids. Protect this file as you protect the data."
    : "Each participant has a pseudonym, the same in every report. Pseudonyms do not make the data anonymous: protect this file as you protect the data.";

function showFoot(foot) {
  foot.append(
    el("details.how", null, el("summary", null, "How to read this report, and its limits"), el("ul", null, howToRead().map((text) => el("li", null, text)))),
    el("p", null, privacyText()),
    el("p", null, `Written ${when(report.writtenAt)} by wearables-pipeline ${report.version}. This page makes no network requests. Charts: Apache ECharts.`),
  );
}

start();
