// The figures: what everybody needs is unpacked at once, the days of persons a block at a time, when they are looked at.

const NOTHING = 0xffff;
const DAY = 86400000;
const LOG_STEPS = 20; // as in days.py
const REASONS = ["", "no record", "unfinished day", "no steps recorded", "hardly worn", "too many steps"];

const STATUS = [
  { key: "increasing", name: "Increasing", glyph: "▲", says: "moves more than was usual", letter: "i" },
  { key: "stable", name: "Stable", glyph: "●", says: "as usual, and worn", letter: "s" },
  { key: "declining", name: "Declining", glyph: "▼", says: "worn, and moves less", letter: "d" },
  { key: "disengaging", name: "Disengaging", glyph: "◐", says: "wears it half the days or fewer", letter: "g" },
  { key: "lapsed", name: "Lapsed", glyph: "○", says: "not worn for two weeks", letter: "l" },
  { key: "insufficient_baseline", name: "No baseline", glyph: "?", says: "new, or gone for long: nothing to compare", letter: "n" },
  { key: "untold", name: "Too new", glyph: "?", says: "has no day yet that is over", letter: "-" },
];
const LETTERS = Object.fromEntries(STATUS.map((status, index) => [status.letter, index]));

let R; // the figures, once they are unpacked
const blocks = []; // { first, count, promise, days }
let blockOf; // person -> block

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

// The days of one person as typed arrays, or null while their block is being unpacked; `ready` is called then.
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
  const minutes = R.rounding === 1 ? 1 : 5;
  let start = 0;
  block.days = counts.map((count) => {
    const [steps, median, mad, asleep, flags] = planes.map((plane) => plane.subarray(start, start + count));
    for (const series of [median, mad]) {
      if (R.rounding === 1) for (let i = 1; i < count; i++) series[i] += series[i - 1];
      else for (let i = 0; i < count; i++) if (series[i] !== NOTHING) series[i] = Math.round(Math.expm1(series[i] / LOG_STEPS));
    }
    scale(steps, R.rounding);
    scale(asleep, minutes);
    start += count;
    return { steps, median, mad, asleep, flags };
  });
}

function scale(series, by) {
  if (by !== 1) for (let i = 0; i < series.length; i++) if (series[i] !== NOTHING) series[i] *= by;
}

const reasonOf = (flags) => flags & 7;
const isAlert = (flags) => (flags & 8) !== 0;
const wearHours = (flags) => (flags >> 4) - 1; // -1: not known

function ratioOf(person) {
  const { recentSteps, baseSteps } = R.people;
  return recentSteps[person] && baseSteps[person] ? recentSteps[person] / baseSteps[person] : null;
}

// Nothing can be told of whoever is new, and of whoever has been gone for some five weeks: not the same thing.
const isGone = (person) => R.people.status[person] === 5 && !R.people.recentDays[person];
const lastValidDay = (person) => (R.people.lastValid[person] < 0 ? null : R.people.first[person] + R.people.lastValid[person]);
