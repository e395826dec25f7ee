/** Numbers and minutes in a row, as people of the page's language write them. */

import { t } from "../core/words.js";

const MINUTE = 60_000; // ms

/** @param {number} value */
export const number = (value) => value.toLocaleString(document.documentElement.lang);

/** @param {number|null} seconds */
export function seconds(seconds) {
  if (seconds === null) return "–";
  const digits = seconds < 10 ? 1 : 0;
  const shown = seconds.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits });
  return t("status.seconds", { n: shown });
}

/**
 * The last hour of one service, a place for each minute; without calls it is 0, without answers its P95 is null.
 * @param {import("./types.js").History} history
 * @param {string} name
 */
export function lastHour(history, name) {
  const end = Math.floor(Date.parse(history.now) / MINUTE) * MINUTE;
  const found = new Map(history.minutes.filter((each) => each.upstream === name).map((each) => [Date.parse(each.minute), each]));
  return Array.from({ length: 60 }, (_, index) => {
    const minute = end - (59 - index) * MINUTE;
    const { answers = 0, errors = 0, p95_s = null } = found.get(minute) ?? {};
    return { minute, answers, errors, p95: p95_s };
  });
}
