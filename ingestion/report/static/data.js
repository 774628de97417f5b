// Unpacks the figures: those of the overview at once, the days of participants one block at a time, when they are shown.

const NO_VALUE = 0xffff;
const DAY = 86400000;
const REASONS = ["", "no record", "incomplete day", "no step count", "too few steps", "too many steps"];

const STATUS = [
  { key: "increasing", name: "Increasing", glyph: "▲", meaning: "more steps than usual", letter: "i" },
  { key: "stable", name: "Stable", glyph: "●", meaning: "steps and wear as usual", letter: "s" },
  { key: "declining", name: "Declining", glyph: "▼", meaning: "wears the device, takes fewer steps than usual", letter: "d" },
  { key: "disengaging", name: "Disengaging", glyph: "◐", meaning: "wears the device on half the days or fewer", letter: "g" },
  { key: "lapsed", name: "Lapsed", glyph: "○", meaning: "has not worn the device for two weeks", letter: "l" },
  { key: "insufficient_baseline", name: "No baseline", glyph: "?", meaning: "new, or away too long to compare", letter: "n" },
  { key: "no_complete_day", name: "Too new", glyph: "?", meaning: "has no complete day yet", letter: "-" },
];
const LETTERS = Object.fromEntries(STATUS.map((status, index) => [status.letter, index]));

let report; // the unpacked figures
const blocks = []; // { first, count, promise, days }
let blockOf; // participant -> block

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
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
  let start = 0;
  block.days = counts.map((count) => {
    const [steps, median, mad, asleep, flags] = planes.map((plane) => plane.subarray(start, start + count));
    // stored as differences from the day before
    for (const series of [median, mad]) for (let i = 1; i < count; i++) series[i] += series[i - 1];
    start += count;
    return { steps, median, mad, asleep, flags };
  });
}

const reasonOf = (flags) => flags & 7;
const isAlert = (flags) => (flags & 8) !== 0;
const wearHours = (flags) => (flags >> 4) - 1; // -1: unknown

function ratioOf(participant) {
  const { recentSteps, baseSteps } = report.participants;
  return recentSteps[participant] && baseSteps[participant] ? recentSteps[participant] / baseSteps[participant] : null;
}

// A participant without a baseline is either new or has been away for some five weeks.
const isAway = (participant) => report.participants.status[participant] === 5 && !report.participants.recentDays[participant];
const lastValidDay = (participant) => report.participants.lastValid[participant];
