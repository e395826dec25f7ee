/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./types.js").Clock} Clock */
/** @typedef {"viewing"|"writing"} Doing */

const AGAIN = 20_000; // ms; the server forgets after 45 s
const WRITES_FOR = 8000; // ms after the last key

/**
 * Tells colleagues where I am: on change, every 20 s, and when I leave. Nobody waits for it, and nobody is told when it
 * fails.
 * @param {{api: Api, clock: Clock, tab: Pick<import("./tab.js").Tab, "visible"|"onLeaving">}} parts
 */
export function createPresence({ api, clock, tab }) {
  /** @type {string|null} */
  let at = null;
  let wroteAt = -Infinity;
  let told = "";
  /** @type {number|null} */
  let timer = null;

  /** @returns {Doing} */
  const doing = () => (clock.now() - wroteAt < WRITES_FOR ? "writing" : "viewing");

  /** @param {string} id @param {Doing|"gone"} what @param {boolean} [leaving] */
  function tell(id, what, leaving = false) {
    told = what === "gone" ? "" : `${id} ${what}`;
    api.post("/presence", { conversation_id: id, doing: what }, { keepalive: leaving }).catch(() => {});
  }

  function tick() {
    if (timer !== null) clock.cancel(timer);
    timer = null;
    if (at === null || !tab.visible.value) return;
    const what = doing();
    tell(at, what);
    const left = WRITES_FOR - (clock.now() - wroteAt);
    timer = clock.after(tick, what === "writing" ? Math.min(AGAIN, Math.max(left, 250)) : AGAIN);
  }

  function leave() {
    if (at !== null && told !== "") tell(at, "gone", true);
    if (timer !== null) clock.cancel(timer);
    timer = null;
  }

  tab.onLeaving(leave);

  return {
    /** I look at this conversation now; null: at none. @param {string|null} conversationId */
    at(conversationId) {
      if (conversationId === at) return;
      if (at !== null && told !== "") tell(at, "gone");
      at = conversationId;
      wroteAt = -Infinity;
      tick();
    },
    /** A key in the composer. */
    writing() {
      const before = doing();
      wroteAt = clock.now();
      if (before === "viewing") tick();
    },
    /** My text is sent, or the field is empty. */
    rests() {
      if (doing() === "viewing") return;
      wroteAt = -Infinity;
      tick();
    },
    /** The tab is seen again. */
    back: tick,
  };
}

/** @typedef {ReturnType<typeof createPresence>} Presence */
