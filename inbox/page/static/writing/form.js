/**
 * What the forms have in common: what is begun is kept in this browser until it is sent, each field knows its limit and
 * what is wrong with it, and the message is shown as the customer will see it.
 */

import { t } from "../core/words.js";
import { newestSeen } from "../inbox/composer.js";
import { useApp } from "../inbox/context.js";
import { Content } from "../inbox/kinds.js";
import { Button, effect, Field, html, Icon, useEffect, useId, useLayoutEffect, useRef, useState } from "../ui/index.js";
import { shownOf, trimmed } from "./shaped.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** As `words/limits.js` has them: by shape of the API and field. @typedef {Record<string, Record<string, Bound>>} Limits */
/** @typedef {{ required?: boolean, maxLength?: number, maxItems?: number, minimum?: number, maximum?: number }} Bound */
/** @typedef {{ conversation: Conversation, limits: Limits }} KindProps */

const UNDECIDED = new Set(["waiting", "handing"]);
const PATIENCE = 3000; // ms for the server's first answer: then the thread tells how it went
const NEARLY = 0.8; // of the longest text: from there on the count is shown

/**
 * A form for one kind of content.
 * @param {object} props
 * @param {Conversation} props.conversation
 * @param {any} props.empty the content while nothing is filled in
 * @param {(content: any) => any} [props.finish] what is added before it is sent
 * @param {(form: Form) => any} props.children its fields
 */
export function ContentForm({ conversation, empty, finish = (content) => content, children }) {
  const app = useApp();
  const id = useId();
  const [content, change, forget] = useKept(conversation.id, empty.type, empty);
  const [wrong, setWrong] = useState(/** @type {Record<string, string>} */ ({}));
  const [busy, setBusy] = useState(false);
  useEffect(() => () => app.presence.rests(), []);
  const ready = content !== null;
  const begun = useRef(/** @type {string | undefined} */ (undefined)); // the text that was taken over from the field
  useLayoutEffect(() => {
    if (content?.text === app.drafts.open(conversation.id, "reply").text.peek()) begun.current = content?.text.trim();
    /** @type {HTMLElement | null | undefined} */ (document.getElementById(id)?.querySelector("textarea, input"))?.focus();
  }, [ready]);
  if (content === null) return null;
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    const whole = finish(trimmed(content));
    const draft = app.drafts.open(conversation.id, "reply");
    const row = await handed(app, {
      conversationId: conversation.id,
      text: shownOf(whole).content_text,
      content: whole,
      shown: shownOf(whole),
      replyTo: draft.replyTo.peek(),
      seenThrough: newestSeen(app.store, conversation.id),
    });
    const errors = row?.state === "failed" ? (row.problem?.errors ?? []) : [];
    setBusy(false);
    if (errors.length && app.outgoing.back(row?.key ?? "")) {
      return setWrong(Object.fromEntries(errors.map((/** @type {any} */ each) => [each.pointer.replace(/^\/content/, ""), each.problem])));
    }
    forget();
    draft.setReplyTo(null);
    if ([whole.text, begun.current].includes(draft.text.peek().trim())) draft.set(""); // it was that text
    app.panels.closeDialog();
    app.composer.current?.write("reply");
  };
  const anew = () => {
    change(empty);
    forget();
  };
  const form = {
    content,
    wrong,
    set: (/** @type {any} */ fields) => {
      setWrong({});
      app.presence.writing();
      change({ ...content, ...fields });
    },
  };
  const trouble = wrong[""] || wrong[`/${content.type}`]; // of all buttons, or all cards, which have no line of their own
  return html`<form class="writing-form" id=${id} onSubmit=${send} onKeyDown=${moved}>
    <div class="writing-fields">
      ${children(form)}
      ${trouble && html`<${Trouble} text=${trouble} />`}
    </div>
    <${Preview} content=${content} />
    <p class="buttons end">
      ${JSON.stringify(content) !== JSON.stringify(empty) && html`<${Button} icon="rotate-ccw" class="writing-anew" onClick=${anew}>${t("send.anew")}<//>`}
      <${Button} class="writing-later" onClick=${app.panels.closeDialog}>${t("send.later")}<//>
      <${Button} kind="filled" type="submit" icon="send-horizontal" busy=${busy}>${t("composer.send")}<//></p>
  </form>`;
}

/** What is wrong with the whole of something, where it is seen at once. @param {{ text: string }} props */
export function Trouble({ text }) {
  const line = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => line.current?.scrollIntoView({ block: "nearest" }), [text]);
  return html`<div class="field" ref=${line}><p class="error" role="alert"><${Icon} name="circle-alert" size=${16} />${text}</p></div>`;
}

/** @typedef {{ content: any, wrong: Record<string, string>, set(fields: any): void }} Form */

/**
 * Give a message to the outbox of the page; what became of it by the server's first answer, null: the server has it.
 * @param {import("../inbox/context.js").App} app
 * @param {Parameters<import("../core/outgoing.js").OutgoingTexts["send"]>[0]} message
 * @returns {Promise<import("../core/outgoing.js").Outgoing | null>}
 */
function handed({ clock, outgoing }, message) {
  const key = outgoing.send(message);
  return new Promise((done) => {
    const find = () => outgoing.rows.value.find((row) => row.key === key) ?? null;
    const stop = effect(() => {
      const row = find();
      if (row === null || row.tries > 0 || !UNDECIDED.has(row.state)) done(row);
    });
    clock.after(() => {
      stop();
      done(outgoing.rows.peek().find((row) => row.key === key) ?? null);
    }, PATIENCE);
  });
}

/**
 * What was begun in this conversation, or what came back from the thread; null while the browser looks what it has.
 * @param {string} conversationId @param {string} what is written @param {any} empty
 * @returns {[content: any, change: (content: any) => void, forget: () => void]}
 */
export function useKept(conversationId, what, empty) {
  const { boot, drafts, kept, panels } = useApp();
  const [content, setContent] = useState(/** @type {any} */ (null));
  const id = `${boot.me.id} ${conversationId} form ${what}`;
  useEffect(() => {
    const given = panels.given;
    panels.given = null;
    if (given) return setContent({ ...empty, ...given });
    const typed = "text" in empty ? { text: drafts.open(conversationId, "reply").text.peek() } : {};
    kept.all("drafts").then((rows) => setContent(rows.find((row) => row.id === id)?.content ?? { ...empty, ...typed }));
  }, []);
  const change = (/** @type {any} */ next) => {
    setContent(next);
    kept.write([{ shelf: "drafts", put: { id, owner: boot.me.id, conversationId, mode: "form", content: next } }]);
  };
  return [content, change, () => kept.write([{ shelf: "drafts", remove: id }])];
}

/** The message as the customer will see it. @param {{ content: any }} props */
function Preview({ content }) {
  const filled = trimmed(content);
  const shown = shownOf("text" in content ? { ...filled, text: filled.text ?? "…" } : filled);
  return html`<figure class="writing-preview">
    <figcaption class="label">${t("send.preview")}</figcaption>
    <div class="bubble"><${Content} message=${{ id: "preview", ...shown }} meta=${null} /></div>
  </figure>`;
}

/**
 * A field of a shape: with its limit, and what is wrong with it.
 * @param {{ form: Form, at: string, bound: Bound, label: string, value: string | undefined,
 *   onChange: (value: string) => void } & Record<string, any>} props `at`: where it stands in the content
 */
export function Line({ form, at, bound, label, value = "", onChange, hint, ...rest }) {
  const most = bound.maxLength ?? Infinity;
  const count = value.length > most * NEARLY ? t("send.length", { length: value.length, most }) : null;
  const told = bound.required || rest.required ? label : html`${label} <span class="quiet">${t("send.optional")}</span>`;
  return html`<${Field} label=${told} value=${value} maxlength=${bound.maxLength} required=${bound.required} autocomplete="off"
    hint=${count ?? hint} error=${form.wrong[at]} onChange=${onChange} ...${rest} />`;
}

/**
 * Several of the same, each with a button that takes it away, and one that adds another while there is room.
 * @param {object} props
 * @param {any[]} props.rows
 * @param {boolean} props.full no more can be added
 * @param {any} props.empty a new one
 * @param {string} props.add
 * @param {(place: number) => string} props.remove
 * @param {number} [props.least] how many there are at least
 * @param {string} [props.class]
 * @param {(rows: any[]) => void} props.onChange
 * @param {(row: any, place: number, set: (row: any) => void) => any} props.children
 */
export function Several({ rows, full, empty, add, remove, least = 1, class: extra, onChange, children }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const before = useRef(rows.length);
  useLayoutEffect(() => {
    // Who adds one writes into it next.
    if (rows.length > before.current) /** @type {HTMLElement | null} */ (box.current?.children[rows.length - 1]?.querySelector("input"))?.focus();
    before.current = rows.length;
  }, [rows.length]);
  return html`<div class=${extra}>
    <ol class="writing-several" ref=${box}>
      ${rows.map((row, place) => html`<li key=${place}>
        ${children(row, place, (changed) => onChange(rows.with(place, changed)))}
        ${rows.length > least && html`<${Button} little icon="x" label=${remove(place)} onClick=${() => onChange(rows.toSpliced(place, 1))} />`}
      </li>`)}
    </ol>
    ${!full && html`<${Button} little icon="plus" data-next onClick=${() => onChange([...rows, empty])}>${add}<//>`}
  </div>`;
}

/**
 * Enter goes on to the next field, and adds one where that comes next; with Ctrl or ⌘ it sends.
 * @param {KeyboardEvent} event
 */
function moved(event) {
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const field = /** @type {HTMLElement} */ (event.target);
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.ctrlKey || event.metaKey) return form.requestSubmit();
  if (field.tagName !== "INPUT") return;
  event.preventDefault();
  const all = /** @type {HTMLElement[]} */ ([...form.querySelectorAll("input, textarea, [data-next], [type=submit]")]);
  const next = all[all.indexOf(field) + 1];
  if (next?.dataset.next !== undefined && field.matches("input") && /** @type {HTMLInputElement} */ (field).value) next.click();
  else next?.focus();
}
