// Unpacks the figures: those of the overview at once, the days of participants one block at a time, when they are shown.

const NO_VALUE = 0xffff;
const DAY = 86400000;
const REASONS = ["", "no record", "incomplete day", "not worn", "no step count", "too few steps", "too many steps"];

const STATUS = [
  { key: "increasing", name: "Moving more", glyph: "▲", meaning: "more steps than at the start", letter: "i" },
  { key: "stable", name: "Stable", glyph: "●", meaning: "steps and wear as at the start", letter: "s" },
  { key: "declining", name: "Moving less", glyph: "▼", meaning: "fewer steps than at the start", letter: "d" },
  { key: "wearing_less", name: "Wearing less", glyph: "◐", meaning: "wears the device on fewer days, or for fewer hours", letter: "w" },
  { key: "never_started", name: "Never started", glyph: "–", meaning: "no valid day in the first week or since", letter: "0" },
  { key: "stopped", name: "Stopped", glyph: "■", meaning: "no longer wears the device, or no longer synchronises it", letter: "x" },
  { key: "new", name: "Too new", glyph: "?", meaning: "fewer than 21 valid days: too early to say", letter: "n" },
  { key: "completed", name: "Completed", glyph: "✓", meaning: "has reached the end of the study", letter: "c" },
  { key: "withdrawn", name: "Withdrawn", glyph: "×", meaning: "has left the study", letter: "l" },
  { key: "none", name: "No status yet", glyph: "?", meaning: "no complete day yet, or not enrolled yet", letter: "-" },
];
const LETTERS = Object.fromEntries(STATUS.map((status, index) => [status.letter, index]));
const [INCREASING, STABLE, DECLINING, WEARING_LESS, NEVER_STARTED, STOPPED, NEW, COMPLETED, WITHDRAWN, NO_STATUS] = STATUS.keys();
const STATUSES = [...STATUS.keys()].slice(0, NO_STATUS);
// what the headline counts together
const STEADY = [STABLE, INCREASING];
const NEED_A_LOOK = [DECLINING, WEARING_LESS, NEVER_STARTED];
// a share of fewer people says nothing
const MIN_SHARE_USERS = 10;

let report; // the unpacked figures
const blocks = []; // { first, count, promise, days }
let blockOf; // participant -> block

async function unpack(base64) {
  const letters = atob(base64);
  const packed = new Uint8Array(letters.length);
  // ten times as fast as Uint8Array.from with a function
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loadFigures() {
  const bytes = await unpack(document.getElementById("figures").textContent);
  report = JSON.parse(new TextDecoder().decode(bytes));
  report.size = report.participants.name.length;
  blockOf = new Uint16Array(report.size);
  let first = 0;
  report.blocks.forEach((count, number) => {
    blocks.push({ first, count, promise: null, days: null });
    blockOf.fill(number, first, first + count);
    first += count;
  });
}

// Returns the days of one participant as typed arrays, or null while their block is being unpacked: then calls `ready`.
function daysOf(participant, ready) {
  const block = blocks[blockOf[participant]];
  if (block.days) return block.days[participant - block.first];
  block.promise ??= openBlock(block, blockOf[participant]);
  if (ready) block.promise.then(ready);
  return null;
}

async function openBlock(block, number) {
  const bytes = await unpack(document.querySelectorAll("script.block")[number].textContent);
  const counts = report.participants.days.slice(block.first, block.first + block.count);
  const total = counts.reduce((sum, days) => sum + days, 0);
  const planes = [0, 1, 2, 3, 4].map((plane) => {
    const values = new Uint16Array(total);
    const low = plane * 2 * total;
    for (let i = 0; i < total; i++) values[i] = bytes[low + i] | (bytes[low + total + i] << 8);
    return values;
  });
  const [, median, mad] = planes;
  // stored as differences from the day before, with the sign in the lowest bit
  for (const series of [median, mad]) {
    for (let i = 0, before = 0; i < total; i++) series[i] = before = (before + ((series[i] >>> 1) ^ -(series[i] & 1))) & 0xffff;
  }
  // stored in thousandths
  for (let i = 0; i < total; i++) if (mad[i] !== NO_VALUE) mad[i] *= 10;
  let start = 0;
  block.days = counts.map((count) => {
    const [steps, median, mad, asleep, flags] = planes.map((plane) => plane.subarray(start, start + count));
    start += count;
    return { steps, median, mad, asleep, flags };
  });
}

const reasonOf = (flags) => flags & 7;
const isAlert = (flags) => (flags & 8) !== 0;
const wearHours = (flags) => (flags >> 4) - 1; // -1: unknown

// The statuses of a participant in order: [{ status, from, to }], the last one until the as-of date.
function stretches(participant) {
  const changes = report.participants.changes[participant];
  if (!changes) return [];
  const found = changes.split(" ").map((change) => ({ status: LETTERS[change[0]], from: Number(change.slice(1)) }));
  found.forEach((stretch, i) => (stretch.to = i + 1 < found.length ? found[i + 1].from - 1 : report.asOf));
  return found;
}

// the first day to show of a participant, who may have no days
const beginOf = (participant) => report.participants.began[participant] ?? report.participants.enrolled[participant];
