// The follow-up list in words: what, how sure, and whether it is the person or the device.

const REASON_WORDS = {
  not_synchronising: { name: "Not synchronising", status: STOPPED, title: "The device sends nothing any more. Whether it is worn is not known." },
  never_started: { name: "Never started", status: NEVER_STARTED, title: "Has not worn the device yet, a week or more after the beginning." },
  stopped: { name: "Stopped", status: STOPPED, title: "The device was not worn for 5 days after regular wear, or for 14 days." },
  wearing_less: { name: "Wearing less", status: WEARING_LESS, title: "Wears the device on fewer days, or for fewer hours, than at the start." },
  moving_less: { name: "Moving less", status: DECLINING, title: "Wears the device as before and takes fewer steps than at the start." },
};
const LESS_BY = { fewer_days: "fewer days", no_valid_day: "no valid day for 14 days", fewer_hours: "fewer hours a day" };
const CERTAINTY = {
  counted: ["Counted", "Days were counted: this is not an estimate."],
  clear: ["Clear", "The evidence is at least one and a half times what is needed to say it."],
  likely: ["Likely", "There is enough evidence to say it."],
  fading: ["Fading", "The evidence has fallen below what is needed to say it anew. It may end soon."],
};
const SYNCED_LATELY = 5; // days

function batteryText(row) {
  const { batteryPercent, batteryState } = report.followUp;
  if (batteryPercent[row] != null) return whole(batteryPercent[row]);
  return batteryState[row]?.toLowerCase() ?? null;
}

function causeText(row) {
  const { cause, lastSyncDate, reason } = report.followUp;
  const synced = lastSyncDate[row];
  const silent = synced == null ? "Device has never synchronised." : `No synchronisation since ${nearDay(synced)}: not known whether worn.`;
  switch (cause[row]) {
    case "not_worn":
      return `Device ${report.asOf - synced < SYNCED_LATELY ? "synchronises" : `synchronised until ${nearDay(synced)}`}, ${reason[row] === "wearing_less" ? "worn less" : "not worn"}.`;
    case "not_synchronised":
      return silent;
    case "battery_low":
      return `${silent} The battery was low (${batteryText(row)}).`;
    case "unknown":
      return synced == null ? "Cannot be told: no synchronisation data." : `Cannot be told: the synchronisation data end on ${nearDay(synced)}.`;
    default:
      return "Device worn.";
  }
}

const CAUSE_TITLES = {
  not_worn: "Ask the person. The device works.",
  not_synchronised: "Ask about the device first. The data end where the synchronisation ends.",
  battery_low: "Ask about the device first. The data end where the synchronisation ends, and the last known charge was low.",
  unknown: "Files with synchronisations would tell whether it is the person or the device.",
};

// the figure behind how sure it is
function evidenceWords(row) {
  const { reason, evidence, threshold, participant } = report.followUp;
  const by = report.participants.wearingLessBy[participant[row]];
  const days = plural(evidence[row], "day");
  switch (reason[row]) {
    case "not_synchronising":
      return `${days} without a synchronisation; said from ${number.format(threshold[row])} on`;
    case "never_started":
      return `${days} since the first was expected; said from ${number.format(threshold[row])} on`;
    case "stopped":
      return `${days} since the device was last worn; said from ${number.format(threshold[row])} on`;
    default:
      if (by === "no_valid_day") return `${days} since the last valid day; said from ${number.format(threshold[row])} on`;
      if (by === "fewer_hours") return `${ratioText(evidence[row])} of the usual hours a day; said below ${ratioText(threshold[row])}`;
      return `evidence (CUSUM) ${oneDecimal.format(Math.floor(10 * evidence[row]) / 10)}; said above ${oneDecimal.format(threshold[row])}`;
  }
}
