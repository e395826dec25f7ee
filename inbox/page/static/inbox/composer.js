/**
 * Where one writes: a reply to the customer, or a note that only colleagues see. Each conversation and mode has a field
 * of its own (B3, B5), and nothing that comes from the server is put into one that holds text (B4).
 */

import { composes, sends } from "../core/keys.js";
import { isolated, isVisible, lengthOf } from "../core/text.js";
import { plural, t } from "../core/words.js";
import { Button, classes, html, Icon, Menu, Tabs, toast, useEffect, useId, useLayoutEffect, useRef, useState } from "../ui/index.js";
import { whyNot } from "./actions.js";
import { AttachButton, Attached, dropping } from "./attach.js";
import { quotedVoice } from "./bubble.js";
import { useApp } from "./context.js";
import { EmojiButton } from "./emoji.js";
import { insert } from "./field.js";
import { BlockButton } from "./headactions.js";
import { WIDE } from "./panels.js";
import { nameOf } from "./row.js";
import { spoken } from "./said.js";
import { Suggestions, useSuggestions } from "./suggestions.js";
import { Plain } from "./text.js";
import { unfilled } from "./variables.js";
import { replyWindow } from "./window.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {"reply" | "note"} Mode */
/** @typedef {{ write(mode: Mode): void, quote(message: Message): void }} Handle */

const ONE_LINE = 40; // characters that stand beside the tools on every size of screen
const CAPTION = 1024; // characters that WhatsApp takes with a file
/** What can be written beside a text, with its icon. @type {[import("./panels.js").Writes, string][]} */
export const MORE = [["templates", "file-text"], ["buttons", "circle-check"], ["list", "menu"], ["location", "map-pin"], ["contacts", "contact"]];
const NEARLY = 0.9; // of the longest text: from there on the count is shown

/**
 * @param {object} props
 * @param {Conversation} props.conversation
 * @param {{ current: Handle | null }} props.handle
 * @param {boolean} props.focus it has been opened by a click: the cursor goes into the field
 */
export function Composer({ conversation, handle, focus }) {
  const { beat, drafts, store, times } = useApp();
  beat.value; // the window closes while one looks
  const [mode, setMode] = useState(/** @type {Mode} */ ("reply"));
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const panel = useId();
  const [wanted, setWanted] = useState(focus ? 1 : 0); // grows with each wish to have the focus
  const [used, setUsed] = useState(false); // a draft that only arrives does not unfold it on a phone
  const mayWrite = store.may("messages.send", conversation.account_id);
  useBack(conversation.id, mayWrite);
  handle.current = {
    write: (which) => {
      if (which === mode) field.current?.focus(); // at once: the next key belongs to it
      setMode(which);
      setWanted((count) => count + 1);
    },
    quote: (message) => {
      drafts.open(conversation.id, "reply").setReplyTo(message.id);
      handle.current?.write("reply");
    },
  };
  if (!mayWrite) {
    return html`<div class="composer composer-none"><p><${Icon} name="eye" /> ${t("composer.no_right")}</p></div>`;
  }
  const closed = mode === "reply" && (conversation.blocked_at !== null || !replyWindow(conversation, times.now()).open);
  const tabs = [
    { id: "reply", label: t("composer.reply") },
    { id: "note", label: t("composer.note") },
  ];
  /** Who clicks goes on to write: a key that the tab kept would be a command. @param {Mode} which @param {boolean} [clicked] */
  const choose = (which, clicked) => (clicked ? handle.current?.write(which) : setMode(which));
  const look = classes("composer", mode === "note" && "composer-noting", used && "composer-used");
  return html`<div class=${look} onFocusIn=${() => setUsed(true)}>
    <${Tabs} tabs=${tabs} value=${mode} onChange=${choose} label=${t("composer.mode")} panel=${panel} />
    <div id=${panel} role="tabpanel" aria-label=${t(`composer.${mode}`)}>
      ${closed
        ? html`<${conversation.blocked_at ? Blocked : Closed} conversation=${conversation} />`
        : html`<${Writing} key=${mode} mode=${mode} conversation=${conversation} field=${field} wanted=${wanted} />`}
    </div>
  </div>`;
}

/**
 * In the place of the field once WhatsApp takes no free text any more.
 * @param {{ conversation: Conversation }} props
 */
function Closed({ conversation }) {
  const { copy, drafts, panels, times } = useApp();
  const draft = drafts.open(conversation.id, "reply");
  const text = draft.text.value;
  const name = nameOf(conversation);
  const last = conversation.last_inbound_at;
  const ago = last ? roughly(times.now() - Date.parse(last)) : 0;
  return html`<div class="composer-closed">
    <${Icon} name="lock" />
    <p>
      ${last ? t("composer.closed", { name, time: times.stretch(ago) }) : t("composer.never", { name })}
    </p>
    ${text && html`<${Button} little icon="copy" onClick=${() => copy(text)}>${t("composer.copy_draft")}<//>`}
    <${Button} kind="filled" icon="file-text" onClick=${() => panels.write("templates")}>
      ${t("composer.template")}
    <//>
  </div>`;
}

/** In the place of the field while the contact is blocked. @param {{ conversation: Conversation }} props */
function Blocked({ conversation }) {
  return html`<div class="composer-closed"><${Icon} name="lock" /><p>${t("composer.blocked", { name: nameOf(conversation) })}</p>
    <${BlockButton} conversation=${conversation} /></div>`;
}

/** Whole hours: nobody needs the minutes of yesterday. @param {number} ms */
function roughly(ms) {
  const hour = 3600 * 1000;
  return Math.max(1, Math.floor(ms / hour)) * hour;
}

/**
 * @param {object} props
 * @param {Mode} props.mode
 * @param {Conversation} props.conversation
 * @param {{ current: HTMLTextAreaElement | null }} props.field
 * @param {number} props.wanted grows with each wish to have the focus
 */
function Writing({ mode, conversation, field, wanted }) {
  const app = useApp();
  const { attachments, drafts, outgoing, presence, settings } = app;
  const draft = drafts.open(conversation.id, mode);
  const list = useId();
  const suggestions = useSuggestions(field, app, conversation);
  const text = draft.text.value;
  const length = lengthOf(text);
  const files = mode === "reply" ? attachments.of(conversation.id).value : [];
  const most = files.length > 0 ? CAPTION : settings.max_text;
  const tooLong = length > most;
  const [sending, setSending] = useState(false);
  const [gap] = mode === "reply" ? unfilled(text) : [];
  const refused = files.filter((each) => each.state === "failed").length;
  const loading = files.some((each) => each.state === "loading");
  const held = tooLong || sending || gap !== undefined || files.some((each) => each.state !== "ready");
  const nothing = files.length === 0 && !isVisible(text);
  const long = text.length > ONE_LINE || text.includes("\n");
  useLayoutEffect(() => {
    // The draft came, or was taken back: the field shows it. While somebody types both are the same.
    if (field.current && field.current.value !== text) field.current.value = text;
    grow(field.current);
    suggestions.look();
  }, [text]);
  useLayoutEffect(() => {
    if (wanted) field.current?.focus(); // before the next key, which belongs to it
  }, [wanted]);

  const sendFiles = async () => {
    setSending(true);
    try {
      const left = await attachments.send(conversation.id, text.trim(), draft.replyTo.peek());
      draft.setReplyTo(null);
      draft.set(left);
      if (left) outgoing.send({ conversationId: conversation.id, text: left, draftId: draft.id });
      draft.set("");
    } catch (error) {
      toast(whyNot(error));
    } finally {
      setSending(false);
    }
  };
  const send = () => {
    const said = text.trim();
    if (nothing || held || suggestions.instead()) return;
    if (files.length > 0) return void sendFiles();
    const seenThrough = mode === "reply" ? newestSeen(app.store, conversation.id) : null;
    const replyTo = draft.replyTo.peek();
    const written = { conversationId: conversation.id, text: said, mode, replyTo, seenThrough };
    const key = outgoing.send({ ...written, draftId: draft.id });
    draft.clear(key);
    presence.rests();
    if (field.current) field.current.value = "";
    field.current?.focus();
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (suggestions.onKey(event) || composes(event)) return;
    if (event.key === "Escape" && draft.replyTo.peek()) {
      draft.setReplyTo(null);
      event.stopPropagation();
    } else if (sends(event, { enterSends: app.preferences.value.enter_sends !== false, touch: touches() })) {
      event.preventDefault();
      send();
    } else if (event.key === "Enter" && event.repeat) {
      event.preventDefault(); // held down: one message, and no empty lines after it
    }
  };
  return html`
    <${Suggestions} id=${list} suggestions=${suggestions} />
    <${Other} draft=${draft} />
    <${Quoting} draft=${draft} conversation=${conversation} />
    ${mode === "reply" && html`<${Attached} conversation=${conversation} />`}
    <div class=${classes("composer-box", long && "composer-long")}
      ...${mode === "reply" ? dropping((all) => attachments.add(conversation, all)) : {}}>
      <textarea
        ref=${field}
        class="composer-field"
        rows="1"
        dir="auto"
        aria-label=${labelOf(mode, conversation)}
        placeholder=${matchMedia(WIDE).matches ? labelOf(mode, conversation, isolated) : t("composer.write")}
        aria-controls=${suggestions.found ? list : undefined}
        aria-activedescendant=${suggestions.chosen >= 0 ? `${list}-${suggestions.chosen}` : undefined}
        aria-describedby=${`${list}-hints`}
        enterkeyhint=${touches() ? "enter" : "send"}
        onInput=${(/** @type {any} */ event) => {
          draft.set(event.currentTarget.value);
          if (mode === "reply") presence.writing();
        }}
        onSelect=${suggestions.look}
        onPaste=${(/** @type {ClipboardEvent} */ event) => {
          const pasted = [...(event.clipboardData?.files ?? [])];
          if (mode !== "reply" || pasted.length === 0) return;
          event.preventDefault();
          attachments.add(conversation, pasted);
        }}
        onKeyDown=${pressed}
      ></textarea>
      <div class="composer-tools">
        <${EmojiButton} onPick=${(/** @type {string} */ sign) => field.current && insert(field.current, sign)} />
        ${mode === "reply" &&
        html`<${AttachButton} conversation=${conversation} />
        <${Button} class="composer-canned" icon="square-slash" label=${t("canned.open")}
          onClick=${() => field.current && startCanned(field.current, suggestions.look)} />
        <${Menu} icon="plus" label=${t("composer.more")} onMouseDown=${stay} items=${() => MORE.map(([kind, icon]) => (
          { icon, label: t(`composer.${kind}`), onSelect: () => app.panels.write(kind) }))} />`}
        <${Button} kind="filled" class="composer-send" icon=${mode === "note" ? "sticky-note" : "send-horizontal"}
          aria-disabled=${nothing || held} onClick=${send}>
          <span class="words">${mode === "note" ? t("composer.add_note") : t("composer.send")}</span>
        <//>
      </div>
    </div>
    <${Hints} id=${`${list}-hints`} mode=${mode} conversation=${conversation} length=${length}
      most=${most} gap=${gap?.name} refused=${refused} loading=${loading} />
  `;
}

/**
 * The newest message that a writer has before their eyes; null when they have scrolled away from it.
 * @param {import("../core/store.js").Store} store @param {string} conversationId @returns {string | null}
 */
export function newestSeen(store, conversationId) {
  const { messages, atEnd } = store.thread(conversationId).peek();
  return atEnd ? (messages[messages.length - 1]?.id ?? null) : null;
}

/**
 * What is good to know before sending: at most one line.
 * @param {{ id: string, mode: Mode, conversation: Conversation, length: number, most: number, gap?: string,
 *   refused: number, loading: boolean }} props
 */
function Hints({ id, mode, conversation, length, most, gap, refused, loading }) {
  const { settings, store, times } = useApp();
  const hints = [];
  if (length > most) hints.push(html`<span class="danger">${t("composer.too_long", { length, most })}</span>`);
  else if (length > most * NEARLY) hints.push(html`<span>${t("composer.length", { length, most })}</span>`);
  if (gap) hints.push(html`<span class="danger">${t("composer.gap", { variable: `{${gap}}` })}</span>`);
  if (refused > 0) hints.push(html`<span class="danger">${plural("composer.refused_file", refused)}</span>`);
  else if (loading) hints.push(html`<span>${t("composer.loading_file")}</span>`);
  if (mode === "note") hints.push(html`<span>${t("composer.hidden")}</span>`);
  else {
    const { closing, until } = replyWindow(conversation, times.now());
    if (store.connection.value.state === "offline") hints.push(html`<span>${t("composer.offline")}</span>`);
    if (conversation.sends_paused_reason) hints.push(html`<span class="warn">${t("composer.paused")}</span>`);
    if (closing && until) hints.push(html`<span
      class="chip warn">${t("composer.closing", { at: times.clock(until) })}</span>`);
    if (conversation.bot_silent_reason === null) {
      const time = times.stretch(settings.bot_pause_seconds * 1000);
      hints.push(html`<span>${t("composer.takes_over", { time })}</span>`);
    }
  }
  return html`<p class="composer-hints" id=${id}>${hints}</p>`;
}

/**
 * A newer draft from another tab or device is offered, never put into the field.
 * @param {{ draft: import("../core/drafts.js").Draft }} props
 */
function Other({ draft }) {
  const { times } = useApp();
  const other = draft.other.value;
  useEffect(() => (other ? draft.watch() : undefined), [draft, other === null]);
  if (!other) return null;
  return html`<div class="composer-other">
    <${Icon} name="monitor" size=${16} />
    <p>${t("draft.other", { at: times.short(other.changed_at) })} <q><${Plain} text=${other.text} /></q></p>
    <${Button} little onClick=${draft.useOther}>${t("draft.use")}<//>
    <${Button} little onClick=${draft.keepMine}>${t("draft.keep")}<//>
  </div>`;
}

/**
 * The message that the reply will quote.
 * @param {{ draft: import("../core/drafts.js").Draft, conversation: Conversation }} props
 */
function Quoting({ draft, conversation }) {
  const { store } = useApp();
  const id = draft.replyTo.value;
  if (!id) return null;
  const message = store.thread(conversation.id).value.messages.find((one) => one.id === id);
  const { kind, name } = message?.author ?? { kind: "agent", name: null };
  const { voice, who } = quotedVoice(kind, name, nameOf(conversation));
  return html`<div class=${`composer-quote quote quote-${voice}`}>
    <span class="quote-who">${message ? html`<${Plain} text=${who} />` : t("quote.some")}</span>
    ${message && html`<span class="quote-text"><${Plain} text=${spoken(message.content_text)} /></span>`}
    <${Button} little icon="x" label=${t("quote.drop")} onClick=${() => draft.setReplyTo(null)} />
  </div>`;
}

/**
 * What came back because the window has closed goes into an empty field, or stays where it stands.
 * @param {string} conversationId
 * @param {boolean} mayWrite
 */
function useBack(conversationId, mayWrite) {
  const { drafts, outgoing } = useApp();
  const closed = outgoing.of(conversationId).value.find((entry) => entry.state === "window_closed" && !entry.content);
  useEffect(() => {
    const draft = mayWrite ? drafts.open(conversationId, "reply") : null; // who may not write has none to ask for
    if (!draft || !closed || draft.text.peek() !== "") return;
    const had = outgoing.back(closed.key);
    if (!had) return;
    draft.set(had.text);
    draft.setReplyTo(had.replyTo);
  }, [closed?.key]);
}

/** @param {HTMLTextAreaElement} field @param {() => void} look */
function startCanned(field, look) {
  if (field.value === "") insert(field, "/");
  else field.focus();
  look();
}

/** @param {Mode} mode @param {Conversation} conversation @param {(name: string) => string} [written] */
function labelOf(mode, conversation, written = (name) => name) {
  return mode === "note" ? t("composer.note.to") : t("composer.reply.to", { name: written(nameOf(conversation)) });
}

/** A press does not take the focus: on a phone the field would unfold, and the button slip from under the finger. @param {Event} event */
const stay = (event) => event.preventDefault();

/** Somebody types with their thumbs: Enter makes a line there. */
export function touches() {
  return matchMedia("(pointer: coarse)").matches;
}

/**
 * The field grows with its text, where the browser does not do so by itself.
 * @param {HTMLTextAreaElement | null} field
 */
function grow(field) {
  if (!field || CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
