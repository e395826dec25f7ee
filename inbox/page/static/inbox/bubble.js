/** One entry of a thread: a message, a note, or a text that has not reached our server yet. */

import { t } from "../core/words.js";
import { Button, classes, html, Icon, Menu, useState } from "../ui/index.js";
import { useApp } from "./context.js";
import { EmojiButton } from "./emoji.js";
import { voiceOf } from "./grouping.js";
import { Content } from "./kinds.js";
import { From } from "./knowledge.js";
import { More } from "./later.js";
import { Closing, failureOf, Failure, SendAgain } from "./failure.js";
import { Plain, Words } from "./text.js";
import { spoken } from "./said.js";
import { Ticks, wordOf } from "./ticks.js";
import { replyWindow } from "./window.js";

/** @typedef {import("../core/types.js").Message} Message */

/**
 * @typedef {object} BubbleProps
 * @property {Message} message
 * @property {string} name of the customer
 * @property {boolean} first of its group
 * @property {boolean} last of its group
 * @property {boolean} lit it was jumped to a moment ago
 * @property {boolean} unread the bot could not read it
 * @property {boolean} fresh it has just come
 * @property {string | null} why what holds it up: a code
 * @property {boolean} mayWrite
 * @property {boolean} group it stands in a group, where customers need names
 * @property {(id: string) => void} onJump to a quoted message
 * @property {(message: Message) => void} onReply
 */

/**
 * A message.
 * @param {BubbleProps} props
 */
export function Bubble(props) {
  const { message, first, last, lit, fresh, why } = props;
  const { store, times } = useApp();
  const [road, setRoad] = useState(false);
  const voice = voiceOf(message);
  if (voice === "system") return html`<${Told} message=${message} />`;
  const who = speakerOf(message, props.name, store.me.value.id);
  const ours = message.direction === "outbound";
  const bare = message.message_type === "sticker";
  const reacted = message.reactions.length > 0;
  const meta = html`<${Meta} message=${message} why=${why} open=${road} onRoad=${() => setRoad(!road)} />`;
  return html`<li
    class=${classes(
      `entry entry-${voice}`,
      ours && "entry-ours",
      first && "entry-first",
      last && "entry-last",
      fresh && "entry-fresh",
    )}
    data-key=${message.id}
    tabindex="-1"
    aria-label=${nameOf(message, who, why, times.clock(message.timestamp))}
  >
    <div class="entry-line">
      <div class=${classes("bubble", bare && "bubble-bare", lit && "bubble-lit", reacted && "bubble-reacted")}>
        ${first && html`<${Speaker} message=${message} voice=${voice} who=${who} group=${props.group} />`}
        ${message.quoted ? html`<${Quote} quoted=${message.quoted} name=${props.name}
          onJump=${props.onJump} />` : missingQuote(message)}
        <${Content} message=${message} meta=${meta} />
        ${reacted && html`<${Reactions} message=${message} name=${props.name} />`}
      </div>
      <${Actions} message=${message} mayWrite=${props.mayWrite} onReply=${props.onReply}
        onRoad=${() => setRoad(!road)} />
    </div>
    ${props.unread && html`<p class="entry-unread"><${Icon} name="flag" size=${14} /> ${t("person.unsupported_content")}</p>`}
    ${message.author.kind === "bot" && message.payload.knowledge && html`<${From} refs=${message.payload.knowledge} />`}
    ${message.status === "failed" && html`<${Failure} message=${message} mayWrite=${props.mayWrite} />`}
    ${message.status === "queued" && message.window_closes_at && html`<${Closing} message=${message} />`}
    ${message.status === "unconfirmed" && props.mayWrite && html`<${SendAgain} message=${message} />`}
    ${road && html`<${More} is="Road" message=${message} />`}
  </li>`;
}

/**
 * How a screen reader names a message: who, when, how far.
 * @param {Message} message
 * @param {string} who
 * @param {string | null} why
 * @param {string} at
 */
function nameOf(message, who, why, at) {
  const parts = [who, at];
  const failed = message.status === "failed";
  if (message.direction === "outbound") parts.push(failed ? failureOf(message) : wordOf(message.status, why));
  return parts.join(", ");
}

/**
 * @param {Message} message
 * @param {string} customer
 * @param {string} me
 */
function speakerOf(message, customer, me) {
  const { kind, id, name } = message.author;
  if (message.direction === "inbound") return name ?? customer;
  if (kind === "bot") return t("voice.bot");
  if (kind === "system") return t("voice.automatic");
  return id && id === me ? t("voice.you") : (name ?? t("voice.us"));
}

/** @param {{ message: Message, voice: string, who: string, group: boolean }} props */
function Speaker({ message, voice, who, group }) {
  const mine = voice === "us" && message.author.id === useApp().store.me.value.id;
  if (mine || (voice === "customer" && !group)) return null;
  return html`<p class="bubble-speaker">
    ${voice === "bot" && html`<${Icon} name="bot" />`}
    <${Plain} text=${who} />
  </p>`;
}

/** @param {{ message: Message, why: string | null, open: boolean, onRoad: () => void }} props */
function Meta({ message, why, open, onRoad }) {
  const { times } = useApp();
  const time = html`<time datetime=${message.timestamp}
    title=${times.full(message.timestamp)}>${times.clock(message.timestamp)}</time>`;
  const edited = message.edited_at && !message.payload.revoked;
  return html`<span class="meta">
    ${edited && html`<span title=${times.full(message.edited_at ?? "")}>${t("bubble.edited")}</span>`}
    ${time}
    ${message.direction === "outbound" &&
    html`<button type="button" class="meta-road" aria-expanded=${open}
      aria-label=${t("tick.road", { state: wordOf(message.status, why).replace(/\.$/, "") })} onClick=${onRoad}>
      <${Ticks} status=${message.status} why=${why} />
    </button>`}
  </span>`;
}

/** @param {Message} message */
function missingQuote(message) {
  const context = message.payload.context ?? {};
  return message.reply_to && !message.quoted && !context.referred_product
    ? html`<p class="quote quote-missing">${t("quote.missing")}</p>`
    : null;
}

/**
 * Whose words are quoted: in which colour, and the name.
 * @param {string} kind of the author
 * @param {string | null} author their name, where they have one
 * @param {string} customer the customer's name
 */
export function quotedVoice(kind, author, customer) {
  if (kind === "customer") return { voice: "customer", who: author ?? customer };
  return kind === "bot" ? { voice: "bot", who: t("voice.bot") } : { voice: "us", who: author ?? t("voice.us") };
}

/** @param {{ quoted: NonNullable<Message["quoted"]>, name: string, onJump: (id: string) => void }} props */
export function Quote({ quoted, name, onJump }) {
  const { voice, who } = quotedVoice(quoted.author_kind, quoted.author_name, name);
  return html`<button type="button" class=${`quote quote-${voice}`} onClick=${() => onJump(quoted.id)}
    aria-label=${t("quote.jump", { name: who })}>
    <span class="quote-who"><${Plain} text=${who} /></span>
    <span class="quote-text"><${Plain} text=${spoken(quoted.content_text)} /></span>
  </button>`;
}

/** @param {{ message: Message, name: string }} props */
function Reactions({ message, name }) {
  const signs = [...new Set(message.reactions.map((reaction) => reaction.emoji))].join("");
  const who = message.reactions
    .map((reaction) => `${reaction.emoji} ${reaction.actor === "business" ? t("voice.us") : name}`)
    .join(", ");
  return html`<span class="reactions" role="img" title=${who} aria-label=${t("reaction.who", { who })}>
    ${signs}${message.reactions.length > 1 && html`<span class="reactions-count">${message.reactions.length}</span>`}
  </span>`;
}

/** @param {{ message: Message, mayWrite: boolean, onReply: (message: Message) => void, onRoad: () => void }} props */
function Actions({ message, mayWrite, onReply, onRoad }) {
  const { actions, copy, store, times } = useApp();
  const conversation = store.conversations.value.get(message.conversation_id);
  const open = conversation !== undefined && replyWindow(conversation, times.now()).open;
  const mayReact = mayWrite && open && message.wa_message_id && message.status !== "failed";
  const ours = message.reactions.find(({ actor }) => actor === "business");
  const items = [
    { label: t("bubble.copy"), icon: "copy", onSelect: () => copy(message.content_text) },
    { label: t("bubble.road"), icon: "history", onSelect: onRoad },
    ...(mayReact && ours
      ? [{ label: t("reaction.remove", { emoji: ours.emoji }), icon: "undo-2", onSelect: () => actions.react(message, "") }]
      : []),
  ];
  return html`<span class="entry-actions">
    ${mayWrite &&
    message.wa_message_id &&
    html`<${Button} little icon="reply" label=${t("bubble.reply")} onClick=${() => onReply(message)} />`}
    ${mayReact &&
    html`<${EmojiButton} little label=${t("reaction.add")}
      onPick=${(/** @type {string} */ sign) => actions.react(message, sign)} />`}
    <${Menu} label=${t("bubble.more")} icon="ellipsis" items=${items} />
  </span>`;
}

/**
 * What WhatsApp tells about a customer: no bubble, since nobody said it.
 * @param {{ message: Message }} props
 */
function Told({ message }) {
  const { times } = useApp();
  return html`<li class="entry entry-told" data-key=${message.id} tabindex="-1">
    <p><${Plain} text=${message.content_text} /> <time datetime=${message.timestamp}
      title=${times.full(message.timestamp)}>${times.clock(message.timestamp)}</time></p>
  </li>`;
}

/**
 * A note: only colleagues see it.
 * @param {{ note: import("../core/types.js").Note, first: boolean, last: boolean }} props
 */
export function Note({ note, first, last }) {
  const { store, times } = useApp();
  const mine = note.author.id === store.me.value.id;
  const who = mine ? t("voice.you") : (note.author.name ?? t("voice.us"));
  const meta = html`<span class="meta">
    ${note.edited_at && html`<span title=${times.full(note.edited_at)}>${t("bubble.edited")}</span>`}
    <time datetime=${note.created_at} title=${times.full(note.created_at)}>${times.clock(note.created_at)}</time>
  </span>`;
  return html`<li
    class=${classes("entry", "entry-note", "entry-ours", first && "entry-first", last && "entry-last")}
    data-key=${note.id}
    tabindex="-1"
    aria-label=${t("note.name", { name: who, at: times.clock(note.created_at) })}
  >
    <div class="entry-line"><div class="bubble">
      ${first && html`<p class="bubble-speaker"><${Icon} name="sticky-note" /> ${t("note.by", { name: who })}</p>`}
      <${Words} id=${note.id} text=${note.text} meta=${meta} />
    </div></div>
  </li>`;
}
