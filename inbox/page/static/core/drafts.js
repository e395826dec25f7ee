import { batch, computed, signal } from "../vendor/signals-core.js";
import { Refused } from "./api.js";
import { newKey } from "./ids.js";

/**
 * What I am writing, one draft for each conversation and mode: in this browser after 300 ms, at the server after 3 s and
 * on leaving. A newer draft from another tab or device is offered, never put over what is written here.
 * @typedef {"reply"|"note"} Mode
 */

/** @typedef {{text: string, reply_to: string|null, version: number, changed_at: string}} ServerDraft */

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./kept.js").Kept} Kept */
/** @typedef {import("./types.js").Clock} Clock */

const KEEP_AFTER = 300; // ms, in the browser
const SAVE_AFTER = 3000; // ms, at the server
const TRY_AGAIN = 15_000;
const LOOK_AGAIN = 5000; // ms, while another draft is offered: it may go on, or be sent
const HELLO = 200; // ms in which my other tabs say that they are there
const PATIENCE = 5000; // ms for them to hand over what they hold

/**
 * @param {object} parts
 * @param {Api} parts.api
 * @param {Kept} parts.kept
 * @param {string} parts.owner
 * @param {Clock} parts.clock
 * @param {{onLeaving(fn: () => void): () => void}} [parts.tab]
 * @param {{settled(key: string): Promise<void>}} [parts.outgoing]
 * @param {import("./types.js").Bus} [parts.leader]
 */
export function createDrafts({ api, kept, owner, clock, tab, outgoing, leader }) {
  /** @type {Map<string, ReturnType<typeof make>>} */
  const made = new Map();
  /** @type {Promise<Map<string, any>>|null} */
  let rows = null;
  const texts = signal(/** @type {ReadonlyMap<string, string>} */ (new Map()));

  /** @param {string} id @param {string} text */
  function list(id, text) {
    if ((texts.peek().get(id) ?? "") === text) return;
    const all = new Map(texts.peek());
    if (text.trim() === "") all.delete(id);
    else all.set(id, text);
    texts.value = all;
  }

  const keptRows = () => (rows ??= kept.all("drafts").then((all) => new Map(all.map((row) => [row.id, row]))));

  /** @param {string} conversationId @param {Mode} mode */
  function make(conversationId, mode) {
    const id = `${owner} ${conversationId} ${mode}`;
    const text = signal("");
    const replyTo = signal(/** @type {string|null} */ (null));
    const other = signal(/** @type {ServerDraft|null} */ (null));
    let version = 0; // of the server's draft that mine goes on from
    let saved = ""; // what the server has, as far as I know
    let touched = false; // since the page was loaded
    let saving = false;
    /** @type {Promise<void>|null} */
    let handed = null; // until the server has the text that this draft was
    /** @type {number|null} */
    let keepTimer = null;
    /** @type {number|null} */
    let saveTimer = null;

    const path = `/conversations/${conversationId}/drafts`;
    const now = () => JSON.stringify([text.peek(), replyTo.peek()]);
    const empty = () => text.peek() === "" && replyTo.peek() === null;
    const NOTHING = JSON.stringify(["", null]);

    /** @param {number} [ms] */
    function plan(ms = SAVE_AFTER) {
      if (saveTimer !== null) clock.cancel(saveTimer);
      saveTimer = clock.after(() => save(), ms);
    }

    function changed() {
      touched = true;
      list(conversationId, mode === "reply" ? text.peek() : (texts.peek().get(conversationId) ?? ""));
      if (keepTimer === null) keepTimer = clock.after(keep, KEEP_AFTER);
      plan();
    }

    /** Into the browser. */
    function keep() {
      if (keepTimer !== null) clock.cancel(keepTimer);
      keepTimer = null;
      const row = { id, owner, conversationId, mode, text: text.peek(), replyTo: replyTo.peek(), version };
      return kept.write([empty() ? { shelf: "drafts", remove: id } : { shelf: "drafts", put: row }]);
    }

    /** To the server. Writes follow each other; an offer of another device's draft is decided by the person first.
     * @param {boolean} [leaving] */
    async function save(leaving = false) {
      if (saveTimer !== null) clock.cancel(saveTimer);
      saveTimer = null;
      const content = now();
      if (other.peek() !== null || content === (saved || NOTHING)) return;
      if (saving && !leaving) return plan(KEEP_AFTER);
      if (handed !== null && empty()) return; // the text is on its way: the server keeps it until it has the message
      saving = true;
      try {
        if (content === NOTHING) {
          await api.del(`${path}/${mode}`, undefined, { keepalive: leaving });
          version = 0;
        } else {
          const body = { text: text.peek(), reply_to: replyTo.peek(), version };
          version = (await api.put(`${path}/${mode}`, body, { keepalive: leaving })).body.version;
        }
        saved = content;
      } catch (error) {
        if (error instanceof Refused && error.code === "draft_conflict") offer(error.problem.draft);
        else if (!(error instanceof Refused) || error.passing) plan(TRY_AGAIN);
      } finally {
        saving = false;
      }
      if (now() !== content) plan();
    }

    /** @param {ServerDraft|undefined} draft the server's, if it has one */
    function offer(draft) {
      if (!draft && other.peek() !== null) keepMine(0); // it was sent, or emptied
      if (!draft || draft.version <= version) return;
      const theirs = JSON.stringify([draft.text, draft.reply_to]);
      if (theirs === now()) [version, saved, other.value] = [draft.version, theirs, null];
      else if (empty() && !touched) take(draft);
      else other.value = draft;
    }

    /** Go on with mine, over that version of the server's. @param {number} over */
    function keepMine(over) {
      version = over;
      other.value = null;
      plan(0);
    }

    /** @param {ServerDraft} draft */
    function take(draft) {
      batch(() => {
        text.value = draft.text;
        replyTo.value = draft.reply_to;
        other.value = null;
      });
      version = draft.version;
      saved = now();
      keep();
      if (mode === "reply") list(conversationId, draft.text);
    }

    /** What this browser has of it. */
    async function recall() {
      const row = (await keptRows()).get(id);
      if (!row || !empty() || touched) return;
      batch(() => {
        text.value = row.text;
        replyTo.value = row.replyTo;
      });
      version = row.version;
    }

    /** Ask what other tabs and devices left. */
    async function look() {
      try {
        const { body } = await api.get(path);
        offer(body.find((/** @type {any} */ each) => each.mode === mode));
      } catch {
        // The text in the field is what counts; the next save asks again.
      }
    }

    return {
      id,
      text,
      replyTo,
      other,
      look,
      recall,
      ready: recall().then(look), // what the server has comes second
      /** @param {string} value */
      set(value) {
        if (value === text.peek()) return;
        text.value = value;
        changed();
      },
      /** @param {string|null} messageId */
      setReplyTo(messageId) {
        if (messageId === replyTo.peek()) return;
        replyTo.value = messageId;
        changed();
      },
      /** Empty the field. With the key of the text that it was, the server's draft goes when that has arrived.
       * @param {string} [key] */
      clear(key) {
        batch(() => {
          text.value = "";
          replyTo.value = null;
        });
        changed();
        if (key === undefined || !outgoing) return;
        const mine = outgoing.settled(key).then(() => {
          if (handed === mine) handed = null;
          plan(0);
        });
        handed = mine;
      },
      /** Look again and again while another draft is offered. @returns {() => void} ends it */
      watch() {
        let timer = clock.after(again, LOOK_AGAIN);
        async function again() {
          await look();
          if (timer !== 0) timer = clock.after(again, LOOK_AGAIN);
        }
        return () => {
          clock.cancel(timer);
          timer = 0;
        };
      },
      /** Take the other draft instead of mine, as it is by now. */
      async useOther() {
        await look();
        const draft = other.peek();
        if (draft) take(draft);
      },
      /** Go on with mine. */
      keepMine: () => keepMine(other.peek()?.version ?? version),
      /** To the server at once, whatever it has. */
      save,
      /** The server has what is in the field, or nothing is. */
      get isSaved() {
        return empty() || now() === saved;
      },
      /** Write everything down now. @param {boolean} [leaving] */
      flush(leaving = false) {
        if (keepTimer !== null) keep();
        return saveTimer === null ? Promise.resolve() : save(leaving);
      },
    };
  }

  async function begin() {
    for (const row of (await keptRows()).values()) if (row.mode === "reply") list(row.conversationId, row.text);
  }

  kept.onLate((shelf) => {
    if (shelf !== "drafts") return;
    rows = null;
    begin();
    made.forEach((draft) => draft.recall());
  });
  tab?.onLeaving(() => made.forEach((draft) => draft.flush(true)));

  /** @param {string} conversationId @param {Mode} mode */
  function open(conversationId, mode) {
    const key = `${conversationId} ${mode}`;
    const draft = made.get(key) ?? make(conversationId, mode);
    made.set(key, draft);
    return draft;
  }

  /** Hand every draft of this tab to the server; the ids of those that it does not take. */
  async function handOver() {
    const all = [...made.values()];
    await Promise.all(all.map((draft) => draft.ready.then(() => draft.save())));
    return all.filter((draft) => !draft.isSaved).map((draft) => draft.id);
  }

  leader?.on("hand over drafts", async (/** @type {string} */ question) => {
    leader.post("drafts here", question);
    leader.post("drafts handed over", { question, left: await handOver() });
  });

  /** Let my other tabs hand over theirs: what they hold has no other place yet. @returns {Promise<string[]>} ids, as above */
  function askOthers() {
    return new Promise((done) => {
      const mine = newKey();
      /** @type {string[]} */
      const left = [];
      let tabs = 0;
      let told = false; // all that are there have said so
      const end = () => {
        stops.forEach((stop) => stop?.());
        timers.forEach(clock.cancel);
        done(left);
      };
      const stops = [
        leader?.on("drafts here", (/** @type {string} */ question) => void (question === mine && (tabs += 1))),
        leader?.on("drafts handed over", ({ question, left: theirs }) => {
          if (question !== mine) return;
          left.push(...theirs);
          tabs -= 1;
          if (told && tabs === 0) end();
        }),
      ];
      const timers = [clock.after(end, PATIENCE), clock.after(() => ((told = true), tabs === 0 && end()), HELLO)];
      leader?.post("hand over drafts", mine);
    });
  }

  return {
    /** My unsent replies by conversation, for the list. */
    texts,
    /** How many drafts hold something. */
    count: computed(() => texts.value.size),
    /** Read what this browser has kept, for the list. */
    begin,
    /** Hand every draft to the server; how many it does not take, as none of a form: this browser alone has those. */
    async unsaved() {
      const elsewhere = leader ? await askOthers() : [];
      const rows = await kept.all("drafts");
      for (const row of rows) if (row.mode !== "form") open(row.conversationId, row.mode);
      const forms = rows.filter((row) => row.mode === "form").map((row) => row.id);
      return new Set([...elsewhere, ...(await handOver()), ...forms]).size;
    },
    open,
  };
}

/** @typedef {ReturnType<typeof createDrafts>} Drafts */
/** @typedef {ReturnType<Drafts["open"]>} Draft */
