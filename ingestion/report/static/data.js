// Unpacks the figures: those of the overview at once, the days of participants one block at a time, when they are shown.

const NO_VALUE = 0xffff;
const DAY = 86400000;
const REASONS = ["", "no record", "incomplete day", "no step count", "too few steps", "too many steps"];

const STATUS = [
  { key: "increasing", name: "Increasing", glyph: "▲", says: "more steps than usual", letter: "i" },
  { key: "stable", name: "Stable", glyph: "●", says: "steps and wear as usual", letter: "s" },
  { key: "declining", name: "Declining", glyph: "▼", says: "wears the device, takes fewer steps than usual", letter: "d" },
  { key: "disengaging", name: "Disengaging", glyph: "◐", says: "wears the device on half the days or fewer", letter: "g" },
  { key: "lapsed", name: "Lapsed", glyph: "○", says: "has not worn the device for two weeks", letter: "l" },
  { key: "insufficient_baseline", name: "No baseline", glyph: "?", says: "new, or away too long to compare", letter: "n" },
  { key: "untold", name: "Too new", glyph: "?", says: "has no complete day yet", letter: "-" },
];
const LETTERS = Object.fromEntries(STATUS.map((status, index) => [status.letter, index]));

let R; // the unpacked figures
const blocks = []; // { first, count, promise, days }
let blockOf; // participant -> block

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loadFigures() {
  const bytes = await unpack(document.getElementById("figures").textContent);
  R = JSON.parse(new TextDecoder().decode(bytes));
  R.size = R.people.name.length;
  blockOf = new Uint16Array(R.size);
  let first = 0;
  R.blocks.forEach((count, number) => {
    blocks.push({ first, count, promise: null, days: null });
    blockOf.fill(number, first, first + count);
    first += count;
  });
}

// Returns the days of one participant as typed arrays, or null while their block is being unpacked: then calls `ready`.
function daysOf(person, ready) {
  const block = blocks[blockOf[person]];
  if (block.days) return block.days[person - block.first];
  block.promise ??= openBlock(block, blockOf[person]);
  if (ready) block.promise.then(ready);
  return null;
}

async function openBlock(block, number) {
  const bytes = await unpack(document.querySelectorAll("script.block")[number].textContent);
  const counts = R.people.days.slice(block.first, block.first + block.count);
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

function ratioOf(person) {
  const { recentSteps, baseSteps } = R.people;
  return recentSteps[person] && baseSteps[person] ? recentSteps[person] / baseSteps[person] : null;
}

// A participant without a baseline is either new or has been away for some five weeks.
const isGone = (person) => R.people.status[person] === 5 && !R.people.recentDays[person];
const lastValidDay = (person) => R.people.lastValid[person];
