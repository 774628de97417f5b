// The groups: everyone, the arms and the sites. One select says whose figures the page shows.

const EVERYONE = 0;
let chosen = EVERYONE;
let people = []; // the participants of the chosen group, as far as the report shows them

const groupKey = (group) => (group.kind === "all" ? "" : `${group.kind}:${group.title}`);

function groupOf(key) {
  return Math.max(report.groups.findIndex((group) => groupKey(group) === key), EVERYONE);
}

// "arm A", "site Vienna"; a name that says what it is needs no more
function groupName(number) {
  const { kind, title } = report.groups[number];
  if (kind === "all") return "everyone";
  return title.toLowerCase().startsWith(kind) ? title : `${kind} ${title}`;
}

const isMember = (participant, number) => {
  const { kind } = report.groups[number];
  return kind === "all" || report.participants[kind][participant] === number;
};

function choosePeople(number) {
  chosen = number;
  address.group = groupKey(report.groups[number]);
  people = [...report.participants.name.keys()].filter((participant) => isMember(participant, number));
}

function chooseGroup(number) {
  if (number === chosen) {
    address.group = groupKey(report.groups[number]);
    return;
  }
  choosePeople(number);
  const select = document.getElementById("group");
  if (select) select.value = String(number);
  showOverview();
}

// The rows of a mart for a group, from its columns.
const rowsOf = (columns, number = chosen) => columns.group.flatMap((group, row) => (group === number ? [row] : []));

// "arm A · site Vienna" of a participant, as far as the report says
function placeOf(participant) {
  const { arm, site } = report.participants;
  return [arm[participant], site[participant]].filter((group) => group != null).map(groupName).join(" · ");
}

// says beside a title that the figures are those of a group
const ofGroup = () => (chosen === EVERYONE ? null : el("span.of-group", null, groupName(chosen)));

function groupSelect() {
  const { groups } = report;
  if (groups.length < 2) return null;
  const options = (kind) => groups.flatMap((group, number) => (group.kind === kind ? [el("option", { value: String(number), selected: number === chosen }, `${capital(groupName(number))} (${sizeOf(number)})`)] : []));
  const sets = [["arm", "Arms"], ["site", "Sites"]].map(([kind, label]) => [label, options(kind)]).filter(([, found]) => found.length);
  return el(
    "label.group",
    { title: "All numbers of people on this page are of this group" },
    el("span", null, "Figures of"),
    el(
      "select",
      {
        id: "group",
        onchange: (event) => {
          chooseGroup(Number(event.target.value));
          writeAddress();
        },
      },
      el("option", { value: String(EVERYONE), selected: chosen === EVERYONE }, `Everyone (${sizeOf(EVERYONE)})`),
      sets.map(([label, found]) => el("optgroup", { label }, found)),
    ),
  );
}

const sizeOf = (group) => number.format(report.groups[group].users);

function hiddenGroupsNote() {
  if (!report.hasHiddenGroups) return null;
  return el("p.note", null, `Arms and sites with fewer than ${number.format(report.minGroupUsers)} participants are not shown, nor one from which their figures could be computed: few people can be recognised.`);
}
