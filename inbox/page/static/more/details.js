/** What is known of the open conversation beside what was said. */

import { t } from "../core/words.js";
import { Avatar, Button, Dialog, html, Icon, Switch, toast, useState } from "../ui/index.js";
import { whyNot } from "../inbox/actions.js";
import { AssignMenu } from "../inbox/assign.js";
import { BlockButton } from "../inbox/headactions.js";
import { Alike, ContactDetails } from "./contact.js";
import { useApp } from "../inbox/context.js";
import { LabelChips, LabelMenu } from "../inbox/labels.js";
import { NoteList } from "./notes.js";
import { Road, whySilent } from "./road.js";
import { botIsOn, nameOf, numberOf, whyPerson } from "../inbox/row.js";
import { spoken } from "../inbox/said.js";
import { Plain } from "../inbox/text.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/** @param {{ conversation: Conversation }} props */
export function Details({ conversation }) {
  const { store, team } = useApp();
  const account = conversation.account_id;
  const may = store.may("messages.send", account);
  return html`
    <${Who} conversation=${conversation} />
    <dl class="details-facts">
      <${Fact} name=${t("details.assigned")}>
        ${may ? html`<${AssignMenu} conversation=${conversation} little kind="tone" />` : html`<${Assigned} conversation=${conversation} />`}
      <//>
      <${Fact} name=${t("details.status")}>${t(`details.status.${conversation.status}`)}<//>
      <${Fact} name=${t("details.labels")}>
        <${LabelChips} conversation=${conversation} mayChange=${may} />
        ${may && html`<${LabelMenu} conversation=${conversation} icon="plus" little>${t("details.add")}<//>`}
      <//>
    </dl>
    ${!conversation.is_group && html`<${Bot} conversation=${conversation} may=${may && conversation.blocked_at === null} />`}
    ${team.details.known(account) && html`<${Below} conversation=${conversation} may=${may} />`}
  `;
}

/**
 * All that stands below the fields of the number's contacts, once it is known which those are: it is not pushed down.
 * @param {{ conversation: Conversation, may: boolean }} props
 */
function Below({ conversation, may }) {
  const { places, store } = useApp();
  const manages = store.may("accounts.manage", conversation.account_id);
  const { loaded, messages, notes } = store.thread(conversation.id).value;
  const told = notes.filter((note) => !note.deleted);
  const files = messages.filter((message) => message.media_id);
  const ours = messages.findLast((message) => message.direction === "outbound");
  return html`
    <${ContactDetails} conversation=${conversation} may=${may} />
    ${may && !conversation.is_group && html`<p class="buttons"><${BlockButton} conversation=${conversation} /></p>`}
    <${Section} name=${t("details.notes")} count=${told.length}>
      ${told.length
        ? html`<${NoteList} notes=${told} mayWrite=${may} manages=${manages} />`
        : html`<p class="small quiet" style=${{ visibility: loaded ? "visible" : "hidden" }}>${t("details.no_notes")}</p>`}
    <//>
    ${files.length > 0 &&
    html`<${Section} name=${t("details.files")} count=${files.length}>
      <ul class="details-files">
        ${files.toReversed().map((file) => html`<${File} key=${file.id} file=${file} onOpen=${() => places.open(conversation.id, file.id)} />`)}
      </ul>
    <//>`}
    ${ours &&
    html`<${Section} name=${t("details.last")}>
      <p class="small clip"><${Plain} text=${spoken(ours.content_text)} /></p>
      <div class="details-road"><${Road} message=${ours} /></div>
    <//>`}
    ${manages && html`<${Privacy} conversation=${conversation} />`}
    ${manages && !conversation.is_group && html`<${Alike} conversation=${conversation} />`}
  `;
}

/** What administrators may do with all that is kept of a contact. @param {{ conversation: Conversation }} props */
function Privacy({ conversation }) {
  const { api } = useApp();
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const path = `/contacts/${conversation.contact_id}`;
  const name = nameOf(conversation);
  const erase = async () => {
    setBusy(true);
    try {
      await api.del(path);
      setAsking(false);
      toast(t("details.erased", { name }));
    } catch (error) {
      toast(whyNot(error));
    } finally {
      setBusy(false);
    }
  };
  return html`<${Section} name=${t("details.privacy")}>
    <p class="buttons">
      <${Button} icon="download" href=${`${path}/export`} download>${t("details.export")}<//>
      <${Button} icon="file-text" href=${`/conversations/${conversation.id}/export?format=html`} download>${t("details.export_thread")}<//>
      <${Button} danger icon="trash-2" onClick=${() => setAsking(true)}>${t("details.erase")}<//>
    </p>
    <${Dialog} open=${asking} title=${t("details.erase.ask", { name })} onClose=${() => setAsking(false)} actions=${html`
      <${Button} onClick=${() => setAsking(false)}>${t("ui.cancel")}<//>
      <${Button} kind="filled" danger busy=${busy} onClick=${erase}>${t("details.erase.yes")}<//>`}>
      <p>${t("details.erase.detail")}</p>
    <//>
  <//>`;
}

/** @param {{ conversation: Conversation }} props */
function Who({ conversation }) {
  const { store, times } = useApp();
  const number = numberOf(conversation);
  const name = nameOf(conversation);
  const { messages, older } = store.thread(conversation.id).value;
  const first = older === null ? messages[0] : undefined;
  return html`<div class="details-who">
    <${Avatar} name=${name} id=${conversation.contact_id} size="large" />
    <h2><${Plain} text=${name} /></h2>
    ${number && number !== name && html`<p class="quiet number" dir="ltr">${number}</p>`}
    ${first && html`<p class="small quiet">${t("details.since", { day: times.day(first.timestamp) })}</p>`}
  </div>`;
}

/** @param {{ conversation: Conversation }} props */
function Assigned({ conversation }) {
  const { store, team } = useApp();
  const id = conversation.assigned_to;
  if (!id) return html`<span>${t("assign.nobody")}</span>`;
  const mine = id === store.me.value.id;
  return html`<span>${mine ? t("voice.you") : (team.people.find(conversation.account_id, id)?.name ?? t("assign.somebody"))}</span>`;
}

/** Whether the bot answers, and why it does not. @param {{ conversation: Conversation, may: boolean }} props */
function Bot({ conversation, may }) {
  const { actions, times } = useApp();
  const reason = conversation.bot_silent_reason;
  const until = conversation.bot_paused_until;
  const why =
    reason === "needs_human"
      ? t("head.person", { why: whyPerson(conversation) })
      : reason === "paused" && until
        ? t("head.paused", { at: times.clock(until) })
        : reason
          ? t(`details.bot.${reason}`)
          : t("details.bot.on");
  const silent = whySilent(conversation);
  const more = silent && html`<p class="small quiet">${silent}</p>`;
  if (!may) return html`<dl class="details-facts"><${Fact} name=${t("details.bot")}>${why}<//></dl>${more}`;
  return html`<div class="details-bot">
    <${Switch}
      label=${t("details.bot")}
      hint=${why}
      checked=${botIsOn(conversation)}
      onChange=${(/** @type {boolean} */ on) => actions.setBot(conversation, on)}
    />
    ${more}
  </div>`;
}

/** @param {{ name: string, children?: any }} props */
function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

/** @param {{ name: string, count?: number, children?: any }} props */
function Section({ name, count, children }) {
  return html`<section class="details-section">
    <h3>${name}${count ? html` <span class="quiet number">${count}</span>` : null}</h3>
    ${children}
  </section>`;
}

const ICONS = /** @type {Record<string, string>} */ ({ image: "image", sticker: "sticker", video: "video", audio: "mic" });

/** @param {{ file: import("../core/types.js").Message, onOpen: () => void }} props */
function File({ file, onOpen }) {
  const { times } = useApp();
  const kind = (file.media_mime_type ?? "").split("/")[0];
  return html`<li><button type="button" class="details-file" onClick=${onOpen}>
    <${Icon} name=${ICONS[kind] ?? "file-text"} />
    <span class="clip"><${Plain} text=${file.media_filename || spoken(file.content_text)} /></span>
    <time datetime=${file.timestamp} title=${times.full(file.timestamp)}>${times.short(file.timestamp)}</time>
  </button></li>`;
}
