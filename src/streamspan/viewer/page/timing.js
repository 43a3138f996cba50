// How the answer came: the pauses between its chunks, and how the text grew.

import { chart } from "./charts.js";
import { h } from "./dom.js";
import { count, duration, NONE } from "./format.js";

export function timing({ summary, gaps = [], gaps_are_exact: isExact = true, progress = [] }) {
  return h(
    "section",
    { class: "part timing" },
    h("h3", {}, "Timing"),
    h(
      "dl",
      { class: "facts" },
      fact("First content after", duration(summary.time_to_first_content_ms)),
      fact("Longest gap", duration(summary.longest_gap_ms)),
      fact("Chunks", count(summary.chunks)),
    ),
    gaps.length > 1 && gapChart(gaps, isExact),
    !isExact && more(summary),
    progress.length > 1 && growth(progress),
  );
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

// Without the time of each chunk there is the mean gap between two marks of the progress.
function gapChart(gaps, isExact) {
  const title = isExact ? "Gaps between chunks" : "Mean gap between chunks";
  const longest = gaps.reduce((most, gap) => (gap[1] > most[1] ? gap : most));
  const middle = median(gaps.map((gap) => gap[1]));
  const hint = `Longest ${duration(longest[1])}, after ${duration(longest[0] - longest[1])}. Median ${duration(middle)}.`;
  return plotted(title, {
    label: `${title}. ${hint}`,
    hint,
    height: 150,
    kind: "stems",
    xs: gaps.map((gap) => gap[0]),
    ys: gaps.map((gap) => gap[1]),
    xText: duration,
    yText: duration,
    told: (at) =>
      isExact
        ? `${duration(gaps[at][1])} without a chunk, until ${duration(gaps[at][0])}`
        : `about ${duration(gaps[at][1])} from chunk to chunk, until ${duration(gaps[at][0])}`,
  });
}

function growth(progress) {
  const last = progress.at(-1);
  const hint = `${count(last.chars)} characters after ${duration(last.at_ms)}.`;
  return plotted("How the text grew", {
    label: `How the text grew. ${hint}`,
    hint,
    height: 130,
    kind: "line",
    xs: progress.map((step) => step.at_ms),
    ys: progress.map((step) => step.chars),
    xText: duration,
    yText: count,
    told: (at) => `${count(progress[at].chars)} characters after ${duration(progress[at].at_ms)}`,
  });
}

function plotted(title, options) {
  return h("div", { class: "plotted" }, h("h4", {}, title), chart(options));
}

function more(summary) {
  if (!summary.chunks || summary.chunks < 2) return null;
  return h(
    "p",
    { class: "weak note" },
    "Each chunk's own time is kept with ",
    h("code", {}, "STREAMSPAN_CAPTURE_STREAM_CHUNKS=true"),
    "; then each gap is drawn here.",
  );
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NONE;
}
