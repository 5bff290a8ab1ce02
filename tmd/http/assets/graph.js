// A small history: processor and memory of one program's whole tree, drawn as two lines.

import { picture } from "./dom.js";

/** So many samples are drawn in a row of the dashboard, and on the page of one program. */
export const SAMPLES = 60;
export const WIDE_SAMPLES = 150;
const LEAST_SAMPLES = 20;
const WIDTH = 96;
const HEIGHT = 24;

/** Draw into `cell`; `samples` are [cpu percent, KiB] pairs, oldest first. `wide` is for the page of one program. */
export function draw(cell, samples, wide = false) {
  let drawing = cell.querySelector("svg.spark");
  if (!drawing) {
    drawing = picture(
      "svg",
      { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      picture("path", { class: "area" }),
      picture("path", { class: "memory" }),
      picture("path", { class: "cpu" }),
    );
    cell.append(drawing);
  }
  const [area, memory, cpu] = drawing.children;
  const shown = samples.slice(wide ? -WIDE_SAMPLES : -SAMPLES);
  const step = WIDTH / (Math.max(shown.length, LEAST_SAMPLES) - 1);
  const first = WIDTH - step * (shown.length - 1);
  const line = (index, top) =>
    shown
      .map((sample, place) => {
        if (sample[index] === null) return "";
        const height = HEIGHT - 1 - (Math.min(sample[index] / top, 1) * (HEIGHT - 2));
        return `${place && shown[place - 1][index] !== null ? "L" : "M"}${(first + place * step).toFixed(1)} ${height.toFixed(1)}`;
      })
      .join("");
  const most = (index, least) => shown.reduce((top, sample) => Math.max(top, sample[index]), least);
  const cpuLine = line(0, most(0, 5) * 1.1);
  cpu.setAttribute("d", cpuLine);
  memory.setAttribute("d", line(1, most(1, 1) * 1.25));
  area.setAttribute("d", shown.length > 1 ? `${cpuLine}L${WIDTH} ${HEIGHT}L${first.toFixed(1)} ${HEIGHT}Z` : "");
}
