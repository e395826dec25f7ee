import { batch, computed, effect, signal, untracked } from "../vendor/signals-core.js";
import { Refused } from "./api.js";
import { newKey } from "./ids.js";
import { alone } from "./leader.js";

/**
 * Texts on their way from the field to the server. Each has a key from the keystroke on, so that it can be handed over
 * again and again and is one message; it leaves this list when the server has it.
 * @typedef {"waiting"|"handing"|"not_handed"|"failed"|"overtaken"|"window_closed"} State
 */

/**
 * @typedef {object} Outgoing
 * @property {string} id sorts as written, over all tabs
 * @property {string} owner
 * @property {string} key
 * @property {string} conversationId
 * @property {"reply"|"note"} mode
 * @property {string} text
 * @property {Record<string, any>|null} [content] what is more than a text, as POST /messages/send-content takes it
 * @property {{message_type: string, content_text: string, payload: Record<string, any>}} [shown] its bubble until then
 * @property {string|null} replyTo
 * @property {string|null} seenThrough
 * @property {State} state
 * @property {Record<string, any>|null} problem the problem+json of the answer that stopped it
 * @property {number} since server's time of the send, or of "send now"
 * @property {number} tries
 * @property {number} nextAt server's time of the next try
 */

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./kept.js").Kept} Kept */
/** @typedef {import("./types.js").Clock} Clock */

const LIMIT = 15_000; // ms for an answer to a send
const TRIES = [1000, 2000, 4000, 8000, 15_000, 30_000];
export const ASK_AFTER = 600_000; // ms of trying before a person is asked
/** States that the next text of the same conversation waits behind. */
const HOLDS = new Set(["waiting", "handing", "overtaken"]);

/**
 * What becomes of a text after a refusal, or after no answer: the whole table.
 * @param {Outgoing} row @param {unknown} error @param {number} now server's time
 * @returns {Pick<Outgoing, "state"|"problem"|"tries"|"nextAt"|"seenThrough">}
 */
export function afterTrouble(row, error, now) {
  const kept = { problem: null, tries: row.tries, nextAt: row.nextAt, seenThrough: row.seenThrough };
  if (error instanceof Refused && !error.passing) {
    const { status, code, problem } = error;
    if (status === 401 || code === "csrf_failed") return { ...kept, state: "waiting", nextAt: Infinity };
    if (code === "overtaken") return { ...kept, state: "overtaken", problem };
    if (code === "reply_window_closed") return { ...kept, state: "window_closed", problem };
    return { ...kept, state: "failed", problem };
  }
  const tries = row.tries + 1;
  const asked = error instanceof Refused ? error.retryAfter : null;
  const nextAt = now + (asked ?? TRIES[Math.min(tries, TRIES.length) - 1]);
  const problem = error instanceof Refused ? error.problem : null;
  if (nextAt - row.since > ASK_AFTER) return { ...kept, state: "not_handed", problem, tries };
  return { ...kept, state: "waiting", problem, tries, nextAt };
}

/** The text that is to be handed over next, of one conversation's in order; null: none, or one that waits for a person.
 * @param {Outgoing[]} rows @returns {Outgoing|null} */
export function headOf(rows) {
  const head = rows.find((row) => HOLDS.has(row.state));
  return head && head.state !== "overtaken" ? head : null;
}

/**
 * @param {object} parts
 * @param {Api} parts.api
 * @param {Store} parts.store
 * @param {Kept} parts.kept
 * @param {string} parts.owner
 * @param {Clock} parts.clock
 * @param {{now(): number}} parts.time the server's
 * @param {import("./types.js").Bus} parts.leader
 * @param {LockManager|null} [parts.locks]
 * @param {() => void} [parts.onHanded] the server has one more
 */
export function createOutgoing({ api, store, kept, owner, clock, time, leader, locks, onHanded }) {
  const rows = signal(/** @type {Outgoing[]} */ ([]));
  /** @type {Map<string, any>} what `of` gave */
  const views = new Map();
  /** @type {Map<string, number>} timers by conversation */
  const timers = new Map();
  /** @type {Map<string, {again: boolean}>} conversations that are being worked on */
  const working = new Map();
  /** @type {Map<string, Set<() => void>>} who waits until a key is with the server */
  const waiting = new Map();

  /** What the browser keeps is the truth, for all tabs. */
  async function sync() {
    const found = /** @type {Outgoing[]} */ (await kept.all("outgoing"));
    const handing = new Map(
      rows
        .peek()
        .filter((row) => row.state === "handing")
        .map((row) => [row.id, row]),
    );
    rows.value = found.map((row) => handing.get(row.id) ?? row);
  }

  /** @param {Outgoing} row @param {Partial<Outgoing>} fields @param {boolean} [keep] */
  function change(row, fields, keep = true) {
    const changed = { ...row, ...fields };
    rows.value = rows.peek().map((each) => (each.id === row.id ? changed : each));
    if (keep) kept.write([{ shelf: "outgoing", put: changed }]).then(tell);
    return changed;
  }

  /** @param {Outgoing} row */
  function drop(row) {
    rows.value = rows.peek().filter((each) => each.id !== row.id);
    return kept.write([{ shelf: "outgoing", remove: row.id }]).then(tell);
  }

  const tell = () => leader.post("outgoing", null);
  /** @param {string} key */
  const find = (key) => rows.peek().find((row) => row.key === key);
  /** @param {string} conversationId */
  const ofOne = (conversationId) => rows.peek().filter((row) => row.conversationId === conversationId);

  /** Hand over what is due in a conversation, one after another. @param {string} conversationId */
  function work(conversationId) {
    const mine = working.get(conversationId);
    if (mine) {
      mine.again = true;
      return;
    }
    const state = { again: false };
    working.set(conversationId, state);
    alone(`inbox send ${conversationId}`, () => handAll(conversationId), locks)
      .catch(() => {}) // the lock was taken away with the page
      .then(() => {
        working.delete(conversationId);
        if (state.again) work(conversationId);
      });
  }

  /** @param {string} conversationId */
  async function handAll(conversationId) {
    for (;;) {
      await sync(); // another tab may have handed it over while this one stood in line
      const head = headOf(ofOne(conversationId));
      if (head === null || store.signedOut.peek()) return;
      const wait = head.nextAt - time.now();
      if (wait > 0) return later(conversationId, wait);
      await hand(head);
    }
  }

  /** @param {string} conversationId @param {number} ms */
  function later(conversationId, ms) {
    clock.cancel(timers.get(conversationId) ?? 0);
    if (Number.isFinite(ms))
      timers.set(
        conversationId,
        clock.after(() => work(conversationId), ms),
      );
  }

  /** @param {Outgoing} row */
  async function hand(row) {
    const held = change(row, { state: "handing" }, false);
    try {
      const { body } = await api.post(...requestOf(held), { limit: LIMIT });
      batch(() => {
        if (held.mode === "note") store.applyNotes([body]);
        else store.applySent(body.message);
        settle(held);
      });
      onHanded?.();
    } catch (error) {
      if (find(held.key))
        await kept.write([{ shelf: "outgoing", put: change(held, afterTrouble(held, error, time.now()), false) }]);
      tell();
    }
  }

  /** The server has it. @param {Outgoing} row */
  function settle(row) {
    for (const done of waiting.get(row.key) ?? []) done();
    waiting.delete(row.key);
    return drop(row);
  }

  /** Another person's message may carry our key: our answer was lost, and the message came with the changes. */
  store.onMessage((message) => {
    const row =
      message.client_key === null ? undefined : untracked(() => find(/** @type {string} */ (message.client_key)));
    if (row) settle(row);
  });
  leader.on("outgoing", () => sync().then(workAll));

  function workAll() {
    for (const id of new Set(rows.peek().map((row) => row.conversationId))) work(id);
  }

  /** Try at once what waits for the connection or for somebody who is signed in. */
  function hurry() {
    for (const row of rows.peek()) {
      if (row.state === "waiting" && (row.problem === null || row.nextAt === Infinity)) change(row, { nextAt: 0 });
    }
    workAll();
  }

  /** Read what an earlier page left, and go on with it. */
  async function begin() {
    await sync();
    for (const row of rows.peek()) {
      if (row.state === "waiting" && time.now() - row.since > ASK_AFTER) change(row, { state: "not_handed" });
      else if (row.nextAt === Infinity) change(row, { nextAt: 0 });
    }
    workAll();
  }

  kept.onLate((shelf) => shelf === "outgoing" && begin());

  let was = "";
  effect(() => {
    const now = `${store.signedOut.value} ${store.connection.value.state === "live"}`;
    if (was !== "" && was !== now && now === "false true") untracked(hurry);
    was = now;
  });

  return {
    /** Everything of mine that the server does not have, in order. */
    rows,
    /** How many those are. */
    count: computed(() => rows.value.length),
    /** Conversations in which one does not leave by itself. */
    held: computed(() => rows.value.filter(({ state }) => !["waiting", "handing"].includes(state)).map((row) => row.conversationId)),
    /** Whether leaving the page would lose a text: the browser keeps nothing. */
    get atRisk() {
      return !kept.lasts && rows.peek().length > 0;
    },
    begin,
    /**
     * Take a text. It is kept and shown in the same frame; the key says which it is from then on.
     * @param {object} given
     * @param {string} given.conversationId
     * @param {string} given.text
     * @param {Outgoing["content"]} [given.content]
     * @param {Outgoing["shown"]} [given.shown]
     * @param {"reply"|"note"} [given.mode]
     * @param {string|null} [given.replyTo]
     * @param {string|null} [given.seenThrough] the newest message that I had seen
     * @param {string} [given.draftId] the kept draft that it was, which goes in the same write
     * @returns {string} the key
     */
    send({ conversationId, text, content = null, shown, mode = "reply", replyTo = null, seenThrough = null, draftId }) {
      const now = time.now();
      const key = newKey();
      const last = rows.peek().at(-1)?.id.slice(0, 15) ?? "";
      const order = Math.max(Math.floor(now), last === "" ? 0 : Number(last) + 1);
      const row = /** @type {Outgoing} */ ({
        id: `${String(order).padStart(15, "0")} ${key}`,
        owner,
        key,
        conversationId,
        mode,
        text,
        content,
        shown,
        replyTo,
        seenThrough,
        state: "waiting",
        problem: null,
        since: now,
        tries: 0,
        nextAt: 0,
      });
      rows.value = [...rows.peek(), row];
      const removed = draftId === undefined ? [] : [{ shelf: /** @type {const} */ ("drafts"), remove: draftId }];
      kept.write([{ shelf: "outgoing", put: row }, ...removed]).then(() => {
        tell();
        work(conversationId);
      });
      return key;
    },
    /**
     * The bubbles of a conversation that are no messages yet.
     * @param {string} conversationId @returns {{value: Outgoing[]}}
     */
    of(conversationId) {
      const had = views.get(conversationId);
      if (had) return had;
      const thread = store.thread(conversationId);
      const made = computed(() => {
        const mine = rows.value.filter((row) => row.conversationId === conversationId);
        if (mine.length === 0) return NONE;
        const there = new Set([...thread.value.messages, ...thread.value.notes].map((row) => row.client_key));
        return mine.filter((row) => !there.has(row.key));
      });
      views.set(conversationId, made);
      return made;
    },
    /** Resolved when the server has the text. @param {string} key @returns {Promise<void>} */
    settled(key) {
      return new Promise((done) => waiting.set(key, (waiting.get(key) ?? new Set()).add(done)));
    },
    /** Hand it over now, and go on trying for ten minutes. @param {string} key */
    sendNow(key) {
      const row = find(key);
      if (!row || row.state === "handing") return;
      change(row, { state: "waiting", problem: null, since: time.now(), tries: 0, nextAt: 0 });
      work(row.conversationId);
    },
    /** Send although somebody has answered meanwhile. @param {string} key */
    confirm(key) {
      const row = find(key);
      if (!row || row.state !== "overtaken") return;
      change(row, { state: "waiting", problem: null, seenThrough: null, nextAt: 0 });
      work(row.conversationId);
    },
    /** Take a text back for the field; null when it is being handed over just now, and cannot be had back.
     * @param {string} key @returns {Pick<Outgoing, "text"|"content"|"replyTo"|"mode">|null} */
    back(key) {
      const row = find(key);
      if (!row || row.state === "handing") return null;
      drop(row).then(() => work(row.conversationId));
      return { text: row.text, content: row.content, replyTo: row.replyTo, mode: row.mode };
    },
    /** Throw a text away. @param {string} key */
    discard(key) {
      const row = find(key);
      if (row && row.state !== "handing") drop(row).then(() => work(row.conversationId));
    },
    hurry,
  };
}

/** @typedef {ReturnType<typeof createOutgoing>} OutgoingTexts */

/** @type {Outgoing[]} */
const NONE = [];

/** @param {Outgoing} row @returns {[string, Record<string, any>]} */
function requestOf({ mode, conversationId, text, content, key, replyTo, seenThrough }) {
  if (mode === "note") return [`/conversations/${conversationId}/notes`, { text, client_key: key }];
  const quoted = replyTo === null ? {} : { reply_to: replyTo };
  const seen = seenThrough === null ? {} : { seen_through: seenThrough };
  const path = content ? "/messages/send-content" : "/messages/send";
  return [path, { conversation_id: conversationId, content: content ?? text, client_key: key, ...quoted, ...seen }];
}
