/** How long customers of a number waited: by day in a plot, by person in a table, all of it as a file. */

import { t } from "../core/words.js";
import { Empty, Field, html, useEffect, useState } from "../ui/index.js";
import { useDesk, whyNot } from "./desk.js";
import { Group, NumberChoice } from "./parts.js";

const RANGES = ["7", "30", "90"]; // days
const A_DAY = 86_400_000;
const WIDE = 640, HIGH = 160, EDGE = 8; // of the plot, in its own units
const MEASURES = ["first_reply", "resolution"];

/** @typedef {{ day: string | null, measure: string, by: "bot" | "person", person: { id: string | null, name: string | null } | null,
 *   count: number, median_seconds: number | null, p90_seconds: number | null }} Waits */

export function Reports() {
  const { boot, api, times } = useDesk();
  const [account, setAccount] = useState(boot.account_id ?? "");
  const [days, setDays] = useState("30");
  const [report, setReport] = useState(/** @type {any} */ (null));
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const query = `account_id=${account}&from=${dayOf(Date.now() - (Number(days) - 1) * A_DAY)}&to=${dayOf(Date.now())}`;
  useEffect(() => {
    let current = true;
    setReport(null);
    api.get(`/reports?${query}`).then(
      ({ body }) => current && (setReport(body), setTrouble(null)),
      (error) => current && setTrouble(whyNot(error)),
    );
    return () => void (current = false);
  }, [query]);
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.reports.what")}</p>
    <div class="settings-tools"><${NumberChoice} value=${account} onChange=${setAccount} />
      <${Field} label=${t("set.reports.range")} value=${days} onChange=${setDays}
        options=${RANGES.map((value) => ({ value, label: t("set.reports.days", { n: value }) }))} />
      <a class="button tone" href=${`/reports?${query}&format=csv`} download>${t("set.reports.file")}</a></div>
    ${trouble && html`<${Empty} icon="circle-alert" title=${trouble} />`}
    ${!trouble && report === null && html`<div class="settings-wait" aria-busy="true"></div>`}
    ${report && MEASURES.map((measure) => html`<${Group} key=${measure} title=${t(`set.reports.${measure}`)}>
      <${Measure} report=${report} measure=${measure} />
    <//>`)}
    ${report && html`<p class="meta">${t("set.reports.zone", { zone: report.zone.replaceAll("_", " ") })}</p>`}
  </div>`;

  /** @param {{ report: any, measure: string }} props */
  function Measure({ report: { first, last, days: byDay, people }, measure }) {
    const mine = (/** @type {Waits[]} */ rows) => rows.filter((row) => row.measure === measure);
    const rows = mine(people).sort((one, other) => other.count - one.count);
    if (rows.length === 0) return html`<p class="quiet">${t("set.reports.nothing")}</p>`;
    const said = (/** @type {number | null} */ seconds) => (seconds === null ? "–" : times.stretch(seconds * 1000));
    return html`<${Plot} first=${first} last=${last} rows=${mine(byDay)} said=${said} date=${times.date} label=${t(`set.reports.${measure}`)} />
      <table class="settings-table"><thead><tr>
        ${["who", "count", "median", "p90"].map((name) => html`<th scope="col">${t(`set.reports.${name}`)}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr><th scope="row"><bdi>${whoOf(row)}</bdi></th>
          <td>${row.count}</td><td>${said(row.median_seconds)}</td><td>${said(row.p90_seconds)}</td></tr>`)}</tbody></table>`;
  }
}

/** The date of a moment where the reader is. @param {number} time */
function dayOf(time) {
  const at = new Date(time);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** @param {Waits} row */
const whoOf = ({ by, person }) => (by === "bot" ? t("voice.bot") : (person?.name ?? t(person?.id ? "set.reports.somebody" : "set.reports.phone")));

/**
 * The medians of each day, the bot's and people's: a gap where nobody waited.
 * @param {{ first: string, last: string, rows: Waits[], said: (seconds: number | null) => string, date: (day: string) => string, label: string }} props
 */
function Plot({ first, last, rows, said, date, label }) {
  const start = Date.parse(first);
  const count = Math.max(1, Math.round((Date.parse(last) - start) / A_DAY));
  const most = Math.max(1, ...rows.map((row) => row.median_seconds ?? 0));
  const place = (/** @type {Waits} */ row) => ({
    x: EDGE + (Math.round((Date.parse(row.day ?? first) - start) / A_DAY) / count) * (WIDE - 2 * EDGE),
    y: HIGH - EDGE - ((row.median_seconds ?? 0) / most) * (HIGH - 2 * EDGE),
  });
  const lines = /** @type {const} */ (["person", "bot"]).map((by) => ({ by, dots: rows.filter((row) => row.by === by).map((row) => ({ row, ...place(row) })) }));
  return html`<figure class="report">
    <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img" aria-label=${`${label}: ${t("set.reports.plot", { most: said(most) })}`}>
      <line class="report-axis" x1=${EDGE} x2=${WIDE - EDGE} y1=${HIGH - EDGE} y2=${HIGH - EDGE} />
      ${lines.map(({ by, dots }) => html`<g key=${by} class=${`report-${by}`}>
        ${runs(dots).map((run) => html`<polyline points=${run.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")} />`)}
        ${dots.map(({ row, x, y }) => html`<circle cx=${x.toFixed(1)} cy=${y.toFixed(1)} r="3"><title>${`${date(row.day ?? first)}: ${said(row.median_seconds)}`}</title></circle>`)}</g>`)}
    </svg>
    <figcaption class="meta"><span>${date(first)}</span>
      ${lines.filter(({ dots }) => dots.length > 0).map(({ by }) => html`<span class=${`report-key report-${by}`}>${t(`set.reports.by.${by}`)}</span>`)}
      <span>${t("set.reports.most", { most: said(most) })}</span><span>${date(last)}</span></figcaption>
  </figure>`;
}

/**
 * Days that follow each other.
 * @template {{ row: Waits }} T
 * @param {T[]} dots in the order of time @returns {T[][]}
 */
function runs(dots) {
  /** @type {T[][]} */
  const found = [];
  for (const dot of dots) {
    const before = found.at(-1)?.at(-1)?.row.day;
    if (before && dot.row.day && Date.parse(dot.row.day) - Date.parse(before) === A_DAY) found.at(-1)?.push(dot);
    else found.push([dot]);
  }
  return found;
}
