import { effect, untracked } from "../vendor/signals-core.js";
import { createApi } from "./api.js";
import { createChanges } from "./changes.js";
import { createDrafts } from "./drafts.js";
import { createKept } from "./kept.js";
import { createLeader } from "./leader.js";
import { createLoading } from "./lists.js";
import { createOutgoing } from "./outgoing.js";
import { createPresence } from "./presence.js";
import { createReading } from "./read.js";
import { createStore } from "./store.js";
import { createTab } from "./tab.js";
import { createServerTime, createTimes } from "./time.js";
import { createClock } from "./timer.js";

/**
 * Everything that a page over the API needs, wired: made once, before anything is drawn.
 * @param {any} boot the page's data block
 * @param {{onSomebodyElse?: () => void, clock?: import("./types.js").Clock}} [options]
 */
export function start(boot, { onSomebodyElse = () => location.reload(), clock = createClock() } = {}) {
  const owner = boot.me.id;
  const store = createStore(boot);
  const time = createServerTime();
  time.begin(boot.now);
  const api = createApi({
    csrf: boot.csrf,
    userId: owner,
    time,
    onSomebodyElse,
    onSignedOut: () => (store.signedOut.value = true),
    onDenied: learnRights,
  });
  const tab = createTab(clock);
  const leader = createLeader({ name: `inbox ${owner}`, visible: tab.visible });
  const kept = createKept(owner);
  const loading = createLoading({ api, store });
  const outgoing = createOutgoing({ api, store, kept, owner, clock, time, leader, onHanded: () => changes.wake() });
  const drafts = createDrafts({ api, kept, owner, clock, tab, outgoing, leader });
  tab.onLeaving(() => kept.leave()); // after the drafts, which write down what they hold
  const presence = createPresence({ api, clock, tab });
  const reading = createReading({ api, store, clock, tab, leader });
  const changes = createChanges({
    api,
    store,
    clock,
    time,
    leader,
    tab,
    position: boot.position ?? null,
    resync: () => Promise.all([loading.list(), openThread()]),
  });

  /** What I may do has changed while the page is open: what is drawn follows. */
  function learnRights() {
    api.get("/auth/me").then(({ body }) => (store.me.value = body), () => {}); // the next refusal asks again
  }

  function openThread() {
    const id = store.openId.peek();
    return id === null ? undefined : loading.thread(id);
  }

  /** What could not be read while the server was out of reach. */
  function readAgain() {
    const id = store.openId.peek();
    if (store.list.peek().trouble) loading.list();
    if (id !== null && store.thread(id).peek().trouble === "first") loading.thread(id);
  }

  /** @type {string|null} the thread that came with the page, which the changes go on from */
  let fresh = boot.thread?.conversation_id ?? null;

  effect(() => {
    if (tab.visible.value) presence.back();
  });
  let away = false;
  effect(() => {
    const live = store.connection.value.state === "live";
    if (live && away) untracked(readAgain);
    away = !live;
  });
  outgoing.begin();
  drafts.begin();
  changes.start();

  return {
    boot,
    store,
    api,
    time,
    clock,
    tab,
    leader,
    kept,
    loading,
    outgoing,
    drafts,
    presence,
    reading,
    changes,
    times: createTimes({ lang: localeOf(boot.lang), now: time.now }),
    /**
     * Open a conversation, at its end or at a message; null: none.
     * @param {string|null} id @param {string|null} [around]
     */
    async open(id, around = null) {
      store.open(id);
      presence.at(id);
      if (id === null) return;
      const there = id === fresh && around === null;
      fresh = null;
      await Promise.all([loading.conversation(id), there ? null : loading.thread(id, around), loading.notes(id)]);
    },
    /** Somebody signed in over this page: go on, or reload when it is another person. @returns {Promise<boolean>} */
    async signedIn() {
      if (!(await api.renew())) return false;
      changes.resume();
      return true;
    },
    /** Forget my unsent texts: I sign out, and was asked. */
    async forget() {
      await kept.clear();
    },
  };
}

/** The reader's own variant of the page's language: en-GB writes times in another way than en-US. @param {string} lang */
function localeOf(lang) {
  return navigator.languages.find((each) => each.split("-")[0] === lang) ?? lang;
}

/** @typedef {ReturnType<typeof start>} Page */
