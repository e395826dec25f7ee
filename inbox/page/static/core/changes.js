import { batch, effect, untracked } from "../vendor/signals-core.js";
import { LIMIT, Refused } from "./api.js";

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./types.js").Clock} Clock */
/** @typedef {import("./types.js").ConnectionState} ConnectionState */
/** @typedef {import("./types.js").Notice} Notice */

export const PACE = { used: 1500, resting: 10_000, hidden: 15_000, restsAfter: 300_000 };
const TRIES = [2000, 4000, 8000, 15_000, 30_000];
const SILENT = 30_000; // without a good answer: what is shown has an age
const OFFLINE = 5000;
const WAITS = 8; // seconds that a question of a tab in use can wait for something to tell, on servers that let it
const DENIED = 15_000; // between two looks whether the rights have come back
const HELD = 6000; // a notice stays so long after it was told last: each of the server's processes sees for itself

/**
 * How long to wait until the next question; null: not before something wakes us.
 * @param {{visible: boolean, leads: boolean, idle: number}} tab idle: ms since the last input
 */
export function paceOf({ visible, leads, idle }) {
  if (!visible) return leads ? PACE.hidden : null;
  return idle >= PACE.restsAfter ? PACE.resting : PACE.used;
}

/**
 * How long to wait after so many failures: 2, 4, 8, 15, 30 s ± 20 %.
 * @param {number} failures @param {() => number} [random]
 */
export function backoff(failures, random = Math.random) {
  return TRIES[Math.min(failures, TRIES.length) - 1] * (0.8 + 0.4 * random());
}

/**
 * What to say of the connection. `failures` in a row, `silence` since the last good answer in ms.
 * @param {{failures: number, silence: number, online: boolean, busy: boolean}} seen @returns {ConnectionState}
 */
export function connectionOf({ failures, silence, online, busy }) {
  if (!online) return "offline";
  if (failures === 0) return "live";
  if (silence >= SILENT) return "stale";
  if (failures < 2 && silence < OFFLINE) return "trying";
  return busy ? "busy" : "offline";
}

/**
 * Keeps the store up to date: one small request at a time, at the pace of the tab.
 * @param {object} parts
 * @param {Api} parts.api
 * @param {Store} parts.store
 * @param {Clock} parts.clock
 * @param {{now(): number}} parts.time the server's
 * @param {import("./types.js").Bus} parts.leader
 * @param {Pick<import("./tab.js").Tab, "visible"|"focused"|"online"|"lastInput"|"woken">} parts.tab
 * @param {() => Promise<unknown>} parts.resync read list and open thread again
 * @param {string|null} [parts.position] where the page's own data ends
 * @param {() => number} [parts.random]
 */
export function createChanges({ api, store, clock, time, leader, tab, resync, position = null, random = Math.random }) {
  let since = position;
  let failures = 0;
  let busy = false;
  let answeredAt = clock.now();
  let answeredServer = time.now();
  let turn = new AbortController(); // what an older turn brings home is thrown away
  let running = false;
  let asking = false;
  let again = false;
  /** @type {number|null} */
  let timer = null;
  /** @type {number|null} */
  let retryAt = null;
  /** @type {Notice[]} what the last answer told */
  let told = store.notices.peek();
  /** @type {Map<string, {notice: Notice, at: number}>} */
  const heard = new Map();
  /** @type {(() => void)[]} */
  let stops = [];

  /** @type {any[]} the pages of an answer that has several: shown together, or the list would move with each */
  let pages = [];

  /** Show an answer when its last page is there. @param {any} body */
  function take(body) {
    pages.push(body);
    if (!body.more) showPages();
  }

  function showPages() {
    const all = pages;
    pages = [];
    batch(() => all.forEach((body) => store.applyChanges(body)));
  }

  const pace = () =>
    paceOf({ visible: tab.visible.peek(), leads: leader.leads, idle: clock.now() - tab.lastInput.value });

  function show() {
    const state = connectionOf({ failures, silence: clock.now() - answeredAt, online: tab.online.peek(), busy });
    const had = store.connection.peek();
    if (had.state === state && had.retryAt === retryAt && (state === "live" || had.since === answeredServer)) return;
    store.connection.value = { state, since: answeredServer, retryAt };
  }

  /** Show what was told now or a moment ago. */
  function showNotices() {
    const now = clock.now();
    for (const notice of told) heard.set(notice.code, { notice, at: now });
    for (const [code, { at }] of heard) if (now - at >= HELD) heard.delete(code);
    const shown = [...heard.values()].map(({ notice }) => notice);
    if (JSON.stringify(shown) !== JSON.stringify(store.notices.peek())) store.notices.value = shown;
  }

  /** @param {number|null} ms until the next question; null: none before something wakes us */
  function plan(ms) {
    if (timer !== null) clock.cancel(timer);
    timer = ms === null || !running || store.signedOut.peek() ? null : clock.after(ask, ms);
  }

  /** Ask now; while a question is under way, once more right after it. */
  function ask() {
    plan(null);
    if (!running || store.signedOut.peek()) return;
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    again = false;
    const waits = failures === 0 && since !== null && pace() === PACE.used ? WAITS : 0;
    const slow = clock.after(
      () => {
        failures = Math.max(failures, 1); // no answer is told before its limit has passed
        show();
      },
      OFFLINE + waits * 1000,
    );
    const mine = turn;
    round(mine, waits)
      .catch((error) => failed(error, mine))
      .then((wait) => {
        asking = false;
        clock.cancel(slow);
        show();
        plan(again ? 0 : wait);
      });
  }

  /**
   * One question, to which the answer may take as many seconds as it waits.
   * @param {AbortController} mine @param {number} waits @returns {Promise<number|null>} how long to wait for the next
   */
  async function round(mine, waits) {
    const account = store.accountId.peek();
    if (account === null) return pace();
    const begins = since === null;
    const open = store.openId.peek();
    const query = { account_id: account, since, conversation_id: open, wait: waits || null };
    const askedAt = clock.now();
    const { status, body } = await api.get("/changes", query, { signal: mine.signal, limit: LIMIT + waits * 1000 });
    if (mine !== turn) return 0;
    failures = 0;
    busy = false;
    retryAt = null;
    answeredAt = clock.now();
    answeredServer = time.now();
    if (status === 200) told = body.notices;
    showNotices();
    if (status === 204) return waits > 0 && clock.now() - askedAt >= waits * 1000 ? 0 : pace();
    const moved = !begins && open !== store.openId.peek(); // what changed in the thread that is open now is not told
    if (!moved) since = body.next;
    store.denied.value = false;
    take(body);
    // A position first, then the lists: nothing falls between.
    if (begins) await resync();
    else leader.post("changes", { ...body, present: null });
    const wait = pace();
    if (body.more || moved) return 0;
    return wait === null ? null : Math.max(wait, body.poll_after_ms ?? 0);
  }

  /** @param {unknown} error @param {AbortController} mine @returns {number|null} */
  function failed(error, mine) {
    if (mine !== turn) return 0;
    showPages(); // the position is behind them
    if (error instanceof Refused && error.status === 401) {
      store.signedOut.value = true;
      return null;
    }
    if (error instanceof Refused && error.denied) {
      since = null; // with the rights everything comes anew
      failures = 0;
      retryAt = null;
      answeredAt = clock.now();
      answeredServer = time.now();
      store.forget();
      return DENIED;
    }
    if (error instanceof Refused && !error.passing && since !== null) {
      since = null; // too old, or not a position any more: begin again
      return 0;
    }
    failures += 1;
    busy = error instanceof Refused && error.passing;
    const wait = Math.max(backoff(failures, random), error instanceof Refused ? (error.retryAfter ?? 0) : 0);
    retryAt = time.now() + wait;
    return wait;
  }

  /** The tab changed: somebody looks again, or nobody any more. @param {boolean} looks */
  function changed(looks) {
    show();
    if (looks) ask();
    else if (!asking && failures === 0) plan(pace());
  }

  leader.on("changes", take);

  return {
    start() {
      running = true;
      let was = "";
      stops = [
        effect(() => {
          const looks = tab.visible.value && tab.online.value;
          const now = [looks, tab.focused.value, tab.woken.value, leader.leads].join();
          const before = was;
          was = now;
          if (before !== "" && before !== now) untracked(() => changed(looks && tab.focused.peek()));
        }),
      ];
      if (since === null) ask();
      else plan(pace());
    },
    stop() {
      running = false;
      turn.abort();
      turn = new AbortController();
      plan(null);
      stops.forEach((stop) => stop());
    },
    /** An answer is worth having at once: after a send, for example. */
    wake: ask,
    /** Another number: its lists are read anew, from a position taken before. @param {string} accountId */
    use(accountId) {
      since = null;
      pages = []; // of the number that was open
      turn.abort();
      turn = new AbortController();
      store.accountId.value = accountId;
      ask();
    },
    /** Signed in again: go on where we were. */
    resume() {
      store.signedOut.value = false;
      ask();
    },
  };
}

/** @typedef {ReturnType<typeof createChanges>} Changes */
