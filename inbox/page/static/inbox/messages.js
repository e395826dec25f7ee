/** What was said in the open conversation. It stays where its reader left it, whatever comes. */

import { plural, t } from "../core/words.js";
import { Button, html, Pill, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../ui/index.js";
import { Bubble, Note } from "./bubble.js";
import { useApp } from "./context.js";
import { entriesOf, firstNew } from "./grouping.js";
import { Pending } from "./pending.js";
import { nameOf } from "./row.js";
import { Scroller } from "./scroll.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {import("../core/types.js").Thread} Thread */

const SCREENS_AHEAD = 2;
const LIT_MS = 1200;
const FRESH_MS = 4000;

/** @typedef {{ before: string | null, count: number }} Divider */

const NOTHING_NEW = /** @type {Divider} */ ({ before: null, count: 0 });

/** Where each thread was left. @type {Map<string, import("./scroll.js").Anchor>} */
const left = new Map();

/**
 * What was said, oldest first.
 * @param {{ conversation: Conversation, onReply: (message: Message) => void }} props
 */
export function Messages({ conversation, onReply }) {
  const { loading, outgoing, places, reading, store, times, today } = useApp();
  const thread = store.thread(conversation.id).value;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const content = useRef(/** @type {HTMLElement | null} */ (null));
  const scroller = useRef(/** @type {Scroller | null} */ (null));
  const [atEnd, setAtEnd] = useState(true);
  const [lit, setLit] = useState(/** @type {string | null} */ (null));
  const { divider, far, found } = useDivider(conversation, thread);
  const pending = outgoing.of(conversation.id).value;
  const loaded = thread.loaded;

  useLayoutEffect(() => {
    if (!loaded || !box.current || !content.current) return undefined;
    /** @type {Set<string>} */
    const underWay = new Set();
    /** What a page leaves to be read is looked at again: the reader may stand at the edge, where nothing scrolls.
     * @param {"older" | "newer"} side */
    const read = async (side) => {
      const { [side]: next, trouble } = store.thread(conversation.id).peek();
      if (next === null || trouble === side || trouble === "gone" || underWay.has(side)) return;
      underWay.add(side);
      await loading[side](conversation.id);
      underWay.delete(side);
      requestAnimationFrame(() => scroller.current === made && made.restore());
    };
    const made = new Scroller(box.current, content.current, ({ atEnd: end, above, below }) => {
      setAtEnd(end);
      const ahead = SCREENS_AHEAD * (box.current?.clientHeight ?? 800);
      if (above < ahead) read("older");
      if (below < ahead) read("newer");
    });
    scroller.current = made;
    const wanted = places.message.peek();
    const before = left.get(conversation.id) ?? "end";
    const placed = (wanted && made.toEntry(wanted)) || (before !== "end" && made.place(before));
    if (!placed && !(divider.before && made.toEntry("divider"))) made.place("end");
    return () => {
      left.set(conversation.id, made.anchor);
      made.release();
      scroller.current = null;
    };
  }, [loaded]);

  // More is new than there is room for here: the reader is taken to its beginning, and has seen nothing until then.
  useEffect(() => {
    if (far === 0) return;
    if (places.message.peek() || scroller.current?.anchor !== "end") return void found(null);
    const look = async () => {
      const first = await loading.firstNew(conversation.id, far);
      scroller.current?.hold();
      if (first) await loading.thread(conversation.id, first);
      found(first);
      requestAnimationFrame(() => scroller.current?.toEntry("divider"));
    };
    look().catch(() => found(null));
  }, [far]);

  const toEnd = async () => {
    await loading.end(conversation.id);
    scroller.current?.toEnd();
  };
  // What is one's own goes to the end, wherever its writer was reading (A6).
  const newest = pending.length ? pending[pending.length - 1].key : null;
  const posted = store.posted.value?.conversation_id === conversation.id ? store.posted.value.id : null;
  useLayoutEffect(() => void (newest && toEnd()), [newest]);
  useLayoutEffect(() => void (posted && toEnd()), [posted]);

  const jump = async (/** @type {string} */ id) => {
    if (!scroller.current?.toEntry(id)) {
      scroller.current?.hold();
      await loading.thread(conversation.id, id);
      requestAnimationFrame(() => scroller.current?.toEntry(id));
    }
    setLit(id);
    setTimeout(() => setLit((now) => (now === id ? null : now)), LIT_MS);
  };
  const wanted = places.message.value;
  useEffect(() => {
    if (wanted && loaded) jump(wanted);
  }, [wanted, loaded]);

  const newestShown = atEnd && thread.atEnd && far === 0 ? (thread.messages[thread.messages.length - 1]?.id ?? null) : null;
  useEffect(() => {
    reading.sees(newestShown === null ? null : { conversationId: conversation.id, through: newestShown });
  }, [newestShown]);
  useEffect(() => () => reading.sees(null), []);

  const unseen = useUnseen(thread.messages, newestShown !== null);
  const entries = useMemo(
    () =>
      entriesOf(thread.messages, thread.notes, {
        dayOf: times.dayOf,
        divider: divider.before ? { before: divider.before, count: divider.count } : null,
        atStart: thread.older === null,
      }),
    [thread.messages, thread.notes, thread.older, divider.before, today.value],
  );
  const unread = unreadBy(conversation, thread.messages);
  if (!loaded) return html`<${NotYet} trouble=${thread.trouble} onAgain=${() => loading.thread(conversation.id)} />`;
  return html`<div class="thread-said">
    <div class="thread-scroll" ref=${box} tabindex="0" role="region" aria-label=${t("thread.messages")}
      onKeyDown=${walk}>
      <ol class="entries" ref=${content}>
        ${thread.older !== null && html`<${Beyond} side="older" trouble=${thread.trouble}
          onAgain=${() => loading.older(conversation.id)} />`}
        ${entries.map((entry) => html`<${Entry} key=${entry.key} entry=${entry} conversation=${conversation}
          lit=${entry.key === lit} unread=${unread !== null && entry.message?.id === unread} onJump=${jump} onReply=${onReply} />`)}
        ${thread.newer !== null && html`<${Beyond} side="newer" trouble=${thread.trouble}
          onAgain=${() => loading.newer(conversation.id)} />`}
        ${thread.newer === null && pending.map((entry) => html`<${Pending} key=${entry.key} entry=${entry}
          onSee=${() => jump(thread.messages[thread.messages.length - 1]?.id ?? "")} />`)}
      </ol>
    </div>
    ${(!atEnd || thread.newer !== null) &&
    html`<${Pill} icon="arrow-down" onClick=${toEnd}
      aria-label=${unseen ? undefined : t("thread.to_end")}>${unseen > 0 && plural("thread.unseen", unseen)}<//>`}
  </div>`;
}

/**
 * @param {object} props
 * @param {import("./grouping.js").Entry} props.entry
 * @param {Conversation} props.conversation
 * @param {boolean} props.lit
 * @param {boolean} props.unread the bot could not read it
 * @param {(id: string) => void} props.onJump
 * @param {(message: Message) => void} props.onReply
 */
function Entry({ entry, conversation, lit, unread, onJump, onReply }) {
  const { store, times } = useApp();
  if (entry.kind === "day") {
    return html`<li class="entry-day"><h3>${times.day(/** @type {string} */ (entry.at))}</h3></li>`;
  }
  if (entry.kind === "divider") {
    return html`<li class="entry-divider"
      data-key="divider"><span>${plural("thread.new", entry.count ?? 0)}</span></li>`;
  }
  if (entry.note) return html`<${Note} note=${entry.note} first=${entry.first} last=${entry.last} />`;
  const message = /** @type {Message} */ (entry.message);
  return html`<${Bubble}
    message=${message}
    name=${nameOf(conversation)}
    group=${conversation.is_group}
    first=${entry.first}
    last=${entry.last}
    lit=${lit}
    unread=${unread}
    fresh=${times.now() - Date.parse(message.stored_at) < FRESH_MS}
    why=${whyItWaits(conversation, store.notices.value)}
    mayWrite=${store.may("messages.send", conversation.account_id)}
    onJump=${onJump}
    onReply=${onReply}
  />`;
}

/** Kinds of messages that the bot reads. */
const WORDS = ["text", "button", "interactive"];

/**
 * The message that the bot has handed over because it could not read it; null: none, or not among these.
 * @param {Conversation} conversation @param {Message[]} messages
 */
function unreadBy(conversation, messages) {
  if (conversation.needs_human_reason !== "unsupported_content") return null;
  return messages.findLast((each) => each.direction === "inbound" && !WORDS.includes(each.message_type))?.id ?? null;
}

/**
 * What holds up replies at the moment; null: nothing that we know of.
 * @param {Conversation} conversation
 * @param {import("../core/types.js").Notice[]} notices
 */
function whyItWaits(conversation, notices) {
  if (conversation.sends_paused_reason) return "number_paused";
  const held = notices.some(({ code }) => code === "whatsapp_away" || code === "whatsapp_struggling");
  return held ? "whatsapp_away" : null;
}

/**
 * The place of a page that is being read, or could not be (C8).
 * @param {{ side: "older" | "newer", trouble: string | null, onAgain: () => void }} props
 */
function Beyond({ side, trouble, onAgain }) {
  return html`<li class="entry-beyond">
    ${trouble === side
      ? html`${t("thread.failed")} <${Button} little onClick=${onAgain}>${t("list.again")}<//>`
      : html`<span class="late">${t("thread.loading")}</span>`}
  </li>`;
}

/** @param {{ trouble: string | null, onAgain: () => void }} props */
function NotYet({ trouble, onAgain }) {
  if (!trouble) return html`<div class="thread-said thread-empty late" aria-busy="true">${t("thread.loading")}</div>`;
  return html`<div class="thread-said thread-empty"><p>${t("thread.failed")}</p> <${Button}
    onClick=${onAgain}>${t("list.again")}<//></div>`;
}

/**
 * Before what stands the line "2 new": set when the thread is opened or the page was hidden meanwhile, fixed while
 * somebody looks, gone after an own text (G3). `far`: so many are new, and their beginning is not loaded; to be `found`.
 * @param {Conversation} conversation
 * @param {Thread} thread
 */
function useDivider(conversation, thread) {
  const { outgoing, store } = useApp();
  const [moved, setMoved] = useState(/** @type {Divider | null} */ (null));
  const opened = useRef(/** @type {Divider | null} */ (null));
  const [far, setFar] = useState(0);
  const found = (/** @type {string | null} */ before) => {
    opened.current = { before, count: far };
    setFar(0);
  };
  const messages = thread.messages;
  const loaded = thread.loaded;
  // A kept thread is shown before its newest messages are read: what is new is not among those that it has.
  const last = conversation.last_message_at;
  const behind = thread.atEnd && last && Date.parse(messages[messages.length - 1]?.timestamp ?? "") < Date.parse(last);
  if (loaded && !behind && opened.current === null) {
    const count = conversation.my_unread;
    const before = thread.atEnd ? firstNew(messages, count, thread.older === null) : null;
    opened.current = { before, count };
    if (count > 0 && before === null && thread.atEnd && thread.older !== null) setFar(count);
  }
  const seen = useRef(/** @type {string | null} */ (null));
  useEffect(() => {
    const turned = () => {
      if (document.visibilityState === "hidden") seen.current = messages[messages.length - 1]?.id ?? null;
    };
    document.addEventListener("visibilitychange", turned);
    return () => document.removeEventListener("visibilitychange", turned);
  }, [messages]);
  useEffect(() => {
    if (document.visibilityState !== "hidden" || !seen.current) return;
    const from = messages.findIndex((message) => message.id === seen.current) + 1;
    const come = messages.slice(from).filter((message) => message.direction === "inbound");
    if (come.length) setMoved({ before: come[0].id, count: come.length });
  }, [messages]);
  const sent = outgoing.of(conversation.id).value.length;
  const posted = store.posted.value;
  const before = useRef({ sent, posted });
  useEffect(() => {
    const had = before.current;
    if (sent > had.sent || (posted !== had.posted && posted?.conversation_id === conversation.id)) setMoved(NOTHING_NEW);
    before.current = { sent, posted };
  }, [sent, posted]);
  return { divider: moved ?? opened.current ?? NOTHING_NEW, far, found };
}

/**
 * How many messages of others have come below what the reader sees.
 * @param {Message[]} messages
 * @param {boolean} atEnd
 */
function useUnseen(messages, atEnd) {
  const last = useRef(/** @type {string | undefined} */ (undefined));
  const newest = messages[messages.length - 1]?.id;
  if (atEnd || last.current === undefined) last.current = newest;
  if (atEnd) return 0;
  const place = messages.findIndex((message) => message.id === last.current);
  return place < 0 ? 0 : messages.length - 1 - place;
}

/**
 * Arrows go from message to message; up from the whole of them leads to the last that can be seen.
 * @param {KeyboardEvent} event
 */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const box = /** @type {HTMLElement} */ (event.currentTarget);
  const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest("[data-key]") ?? null);
  if (!step || !(focused || (event.target === box && step < 0))) return;
  const entries = /** @type {HTMLElement[]} */ ([...box.querySelectorAll("[data-key][tabindex]")]);
  const end = box.getBoundingClientRect().bottom;
  const next = focused ? entries[entries.indexOf(focused) + step] : entries.findLast((each) => each.getBoundingClientRect().top < end);
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
