/** Times as the reader writes them, and the server's now. The device's clock is never stored and never sorted by. */

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const ZONE_HOLDS = 60 * SECOND; // then it is looked up again: people travel with the page open
const GUESS = 2 * SECOND; // the worst distance of a time that came with the page itself
const WEARS_OUT = 1 / 600; // an answer measured long ago counts as if it had been slower: clocks drift apart

/**
 * The server's now, from the offset of the fastest answer. It counts with a clock that only grows, so that setting the
 * device's clock changes nothing; sleep is noticed by comparing both.
 * @param {{steady?: () => number, wall?: () => number}} [clocks]
 */
export function createServerTime({ steady = () => performance.now(), wall = () => Date.now() } = {}) {
  /** @type {{server: number, at: number, wall: number, error: number}|null} */
  let best = null;

  /** @param {number} server @param {number} sentAt steady @param {number} receivedAt steady */
  function measure(server, sentAt, receivedAt) {
    if (!Number.isFinite(server)) return;
    const error = (receivedAt - sentAt) / 2;
    if (best && error > best.error + (receivedAt - best.at) * WEARS_OUT && !slept()) return;
    best = { server: server + error, at: receivedAt, wall: wall(), error };
  }

  /** The steady clock stood still while the other went on: the machine slept, or somebody set its clock. */
  function slept() {
    return best !== null && Math.abs(wall() - best.wall - (steady() - best.at)) > 2 * SECOND;
  }

  return {
    measure,
    /** @param {string} now of the page's own data */
    begin(now) {
      best = { server: Date.parse(now), at: steady(), wall: wall(), error: GUESS };
    },
    /** Milliseconds of the server's clock. @returns {number} */
    now() {
      return best ? best.server + (steady() - best.at) : wall();
    },
  };
}

/** @param {string} lang @param {string} timeZone */
function formatsOf(lang, timeZone) {
  /** @param {Intl.DateTimeFormatOptions} options */
  const format = (options) => new Intl.DateTimeFormat(lang, { timeZone, ...options });
  const twice = format({ hour: "numeric" }).resolvedOptions().hour12; // hours from 1 to 12: 9:17 PM, but 09:17
  const hour = twice ? "numeric" : "2-digit";
  const [minute, second] = /** @type {const} */ (["2-digit", "2-digit"]);
  const [weekday, day, year] = /** @type {const} */ (["long", "numeric", "numeric"]);
  return {
    zone: timeZone,
    clock: format({ hour, minute }),
    precise: format({ hour, minute, second }),
    weekday: format({ weekday }),
    date: format({ day, month: "short" }),
    dated: format({ day, month: "short", year }),
    dayNamed: format({ weekday, day, month: "long" }),
    dayDated: format({ weekday, day, month: "long", year }),
    full: format({ weekday, day, month: "long", year, hour, minute, second, timeZoneName: "short" }),
    sortable: new Intl.DateTimeFormat("en-CA", { timeZone, year, month: "2-digit", day: "2-digit" }),
  };
}

/**
 * Ways to write a time, in one language and in the reader's zone of the moment.
 * @param {{lang: string, zone?: string, now: () => number, steady?: () => number}} options
 */
export function createTimes({ lang, zone, now, steady = () => performance.now() }) {
  const here = () => zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  let formats = formatsOf(lang, here());
  let lookedAt = steady();
  const relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  const calendar = new Intl.DateTimeFormat(lang, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });

  function at() {
    if (steady() - lookedAt > ZONE_HOLDS) {
      lookedAt = steady();
      if (here() !== formats.zone) formats = formatsOf(lang, here());
    }
    return formats;
  }

  /** The day in the reader's zone, sortable: 2026-11-24. @param {string|number} time @returns {string} */
  const dayOf = (time) => at().sortable.format(new Date(time));
  /** Whole days from a day until today. @param {string} day */
  const daysAgo = (day) => Math.round((Date.parse(dayOf(now())) - Date.parse(day)) / DAY);
  /** @param {string} text */
  const capital = (text) => text.charAt(0).toLocaleUpperCase(lang) + text.slice(1);
  const thisYear = (/** @type {string} */ day) => day.slice(0, 4) === dayOf(now()).slice(0, 4);
  /** A day and a time, as a sentence has them: 3 Nov 13:58, 3 Nov 2025 13:58. @param {string|number} time */
  function stamp(time) {
    const day = thisYear(dayOf(time)) ? at().date : at().dated;
    return `${day.format(new Date(time))} ${at().clock.format(new Date(time))}`;
  }

  return {
    dayOf,
    /** The day and the zone, for whoever has to notice midnight or a journey. @returns {string} */
    today: () => dayOf(now()) + at().zone,
    /** 13:58 @param {string|number} time */
    clock: (time) => at().clock.format(new Date(time)),
    /** 13:58:02 @param {string|number} time */
    precise: (time) => at().precise.format(new Date(time)),
    /** Everything, for hover and focus. @param {string|number} time */
    full: (time) => at().full.format(new Date(time)),
    /** Above the messages of a day: Today, Tuesday 24 November. @param {string|number} time */
    day(time) {
      const day = dayOf(time);
      const ago = daysAgo(day);
      if (ago === 0 || ago === 1) return capital(relative.format(-ago, "day"));
      return capital((thisYear(day) ? at().dayNamed : at().dayDated).format(new Date(time)));
    },
    /** In the list: 13:58, yesterday, Monday, 3 Nov. @param {string|number} time */
    short(time) {
      const day = dayOf(time);
      const ago = daysAgo(day);
      if (ago <= 0) return at().clock.format(new Date(time));
      if (ago === 1) return relative.format(-1, "day");
      if (ago < 7) return at().weekday.format(new Date(time));
      return (thisYear(day) ? at().date : at().dated).format(new Date(time));
    },
    stamp,
    /** A moment of a log: 13:58, yesterday 13:58, 3 Nov 13:58. @param {string|number} time */
    moment(time) {
      const ago = daysAgo(dayOf(time));
      const clock = at().clock.format(new Date(time));
      if (ago === 0) return clock;
      return ago === 1 ? `${relative.format(-1, "day")} ${clock}` : stamp(time);
    },
    /** A date of the calendar, which is the same in every zone: 24 Nov 2026. @param {string} day 2026-11-24 */
    date: (day) => calendar.format(new Date(day)),
    /** How long ago, below an hour only; null beyond. @param {string|number} time @returns {string|null} */
    ago(time) {
      const ms = Math.max(0, now() - new Date(time).getTime());
      if (ms >= HOUR) return null;
      const seconds = Math.floor(ms / SECOND);
      return seconds < 60 ? relative.format(-seconds, "second") : relative.format(-Math.floor(seconds / 60), "minute");
    },
    /** A stretch of time in its two largest units: 1 min 12 s, 26 h. Days count from the second on. @param {number} ms */
    stretch(ms) {
      const all = Math.max(0, Math.floor(ms / SECOND));
      const days = all >= 2 * 86_400 ? Math.floor(all / 86_400) : 0;
      const rest = all - days * 86_400;
      /** @type {[number, string][]} */
      const parts = [
        [days, "day"],
        [Math.floor(rest / 3600), "hour"],
        [Math.floor(rest / 60) % 60, "minute"],
        [rest % 60, "second"],
      ];
      const first = all === 0 ? 3 : parts.findIndex(([count]) => count > 0);
      return parts
        .slice(first, first + 2)
        .filter(([count], place) => place === 0 || count > 0)
        .map(([count, unit]) => unitOf(lang, unit).format(count))
        .join(" ");
    },
  };
}

/** @type {Map<string, Intl.NumberFormat>} to make one takes longer than to write a hundred numbers */
const units = new Map();

/** @param {string} lang @param {string} unit */
function unitOf(lang, unit) {
  const name = `${lang} ${unit}`;
  const unitDisplay = unit === "day" ? "long" : "short";
  const made = units.get(name) ?? new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay });
  units.set(name, made);
  return made;
}
