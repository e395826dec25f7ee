/** Time, server, browser's database and neighbours of a module under test, all in the hands of the test. */

/** A clock that stands until it is moved. */
export function fakeClock(start = 1_000_000) {
  let now = start;
  let last = 0;
  const waiting = new Map();
  return {
    now: () => now,
    after(fn, ms) {
      waiting.set(++last, { at: now + ms, fn });
      return last;
    },
    cancel: (id) => waiting.delete(id),
    /** How long until the next timer; null: none. */
    next: () => (waiting.size === 0 ? null : Math.min(...[...waiting.values()].map((each) => each.at)) - now),
    /** Let time pass, one timer after another, and let promises go on after each. */
    async pass(ms) {
      const until = now + ms;
      for (;;) {
        await settle();
        const due = [...waiting.entries()].filter(([, each]) => each.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        now = Math.max(now, due[1].at);
        waiting.delete(due[0]);
        due[1].fn();
      }
      now = until;
      await settle();
    },
  };
}

/** Let everything go on that waits for nothing but its turn; the browser's database takes a few. */
export async function settle() {
  for (let turn = 0; turn < 6; turn += 1) await new Promise((done) => setTimeout(done, 0));
}

/** Calls of the API: `answers` maps "METHOD /path" to a function of the body, whose value is the answer's body. */
export function fakeApi(answers = {}) {
  const calls = [];
  const call = (method) => async (path, body, options) => {
    const entry = { method, path, body: body ?? null };
    calls.push(entry);
    const name = Object.keys(answers).find((each) => {
      const [wanted, way] = each.split(" ");
      return wanted === method && new RegExp(`^${way}$`).test(path);
    });
    if (name === undefined) throw new Error(`nobody answers ${method} ${path}`);
    const answer = await answers[name](body, options);
    return {
      status: answer === null ? 204 : 200,
      body: answer,
      headers: new Headers(),
      link: { next: null, prev: null },
    };
  };
  return {
    calls,
    answers,
    get: call("GET"),
    post: call("POST"),
    put: call("PUT"),
    patch: call("PATCH"),
    del: call("DELETE"),
    renew: async () => true,
  };
}

/** A bus without other tabs. `heard` is what was told. */
export function fakeBus(leads = true) {
  const listeners = new Map();
  const heard = [];
  return {
    leads,
    heard,
    post: (kind, data) => heard.push([kind, data]),
    on(kind, fn) {
      listeners.set(kind, fn);
      return () => listeners.delete(kind);
    },
    say: (kind, data) => listeners.get(kind)?.(data),
  };
}

/** Buses of so many tabs: each hears what the others post, in its turn. */
export function fakeBuses(count) {
  const tabs = Array.from({ length: count }, () => new Map());
  return tabs.map((mine) => ({
    leads: false,
    post(kind, data) {
      for (const other of tabs) if (other !== mine) setTimeout(() => other.get(kind)?.forEach((fn) => fn(data)), 0);
    },
    on(kind, fn) {
      mine.set(kind, (mine.get(kind) ?? new Set()).add(fn));
      return () => mine.get(kind).delete(fn);
    },
  }));
}

/** A lock that is kept within this page. */
export function fakeLocks() {
  const lines = new Map();
  return {
    request(name, work) {
      const before = lines.get(name) ?? Promise.resolve();
      const mine = before.then(work, work);
      lines.set(name, mine);
      return mine;
    },
  };
}

/** The page's data block with one number and some conversations. */
export function bootOf(rows = [], more = {}) {
  return {
    me: { id: "me", permissions: { global: ["messages.send"], accounts: {} } },
    csrf: "t",
    lang: "en",
    account_id: "a",
    conversations: { rows, next: null },
    counts: {},
    now: "2026-11-28T10:00:00Z",
    ...more,
  };
}

/** The browser's database, without its delays. Two of one `shelves` are two tabs. */
export function fakeKept(shelves = { outgoing: new Map(), drafts: new Map() }) {
  return {
    lasts: true,
    async write(writes) {
      for (const { shelf, put, remove } of writes) {
        if (put) shelves[shelf].set(put.id, structuredClone(put));
        else shelves[shelf].delete(remove);
      }
    },
    all: async (shelf) => [...shelves[shelf].values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    onLate() {},
    async clear() {
      for (const shelf of Object.values(shelves)) shelf.clear();
    },
  };
}

/** Wait for what the browser itself takes time for. */
export async function until(condition) {
  const end = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`in vain: ${condition}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

export { effect, signal } from "/vendor/signals-core.js";
