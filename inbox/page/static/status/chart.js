/** A small chart of the last hour, by minutes; the same numbers stand in a table for whoever reads it otherwise. */

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef } from "../ui/index.js";

const HEIGHT = 40; // pixels

/**
 * @param {{minutes: number[], values: (number|null)[], tone: "accent"|"danger"|"info", label: string}} props
 */
export function Chart({ minutes, values, tone, label }) {
  const place = useRef(/** @type {HTMLDivElement|null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const data = /** @type {import("../vendor/uplot.js").default.AlignedData} */ ([minutes.map((minute) => minute / 1000), values]);
  useEffect(() => {
    const own = /** @type {HTMLDivElement} */ (place.current);
    const colour = getComputedStyle(own).color;
    const bars = tone === "info" ? undefined : uPlot.paths.bars?.({ size: [0.8, 12] });
    plot.current = new uPlot(
      {
        width: own.clientWidth || 160,
        height: HEIGHT,
        pxAlign: 0,
        cursor: { show: false },
        legend: { show: false },
        padding: [2, 0, 0, 0],
        axes: [{ show: false }, { show: false }],
        scales: { x: { time: true }, y: { range: (/** @type {any} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(1, high ?? 1)] } },
        series: [{}, { stroke: colour, fill: bars ? colour : undefined, width: bars ? 0 : 1.5, paths: bars, points: { show: false } }],
      },
      data,
      own,
    );
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: own.clientWidth, height: HEIGHT }));
    resized.observe(own);
    return () => {
      resized.disconnect();
      plot.current?.destroy();
    };
  }, [tone]);
  useEffect(() => plot.current?.setData(data));
  return html`<div class=${`chart ${tone}`} role="img" aria-label=${label} ref=${place}></div>`;
}
