/** The inbox: list, thread and what stands around them, on three sizes of screen. */

import { Refused } from "../core/api.js";
import { t } from "../core/words.js";
import { Announcer, Button, Empty, html, Part, SignInAgain, Toasts, useEffect, useRef, useState } from "../ui/index.js";
import { useApp } from "./context.js";
import { Details } from "./details.js";
import { useKeyboard } from "./keyboard.js";
import { Dialogs } from "./later.js";
import { List } from "./list.js";
import { ListHead } from "./listhead.js";
import { Rail } from "./rail.js";
import { nameOf } from "./row.js";
import { Strips } from "./strips.js";
import { Thread } from "./thread.js";

export function Inbox() {
  const { api, places, signedIn, store } = useApp();
  const opened = useRef({ byClick: false });
  const id = places.conversation.value;
  const locked = store.denied.value || noNumber(store);
  const conversation = id && !locked ? store.conversations.value.get(id) : undefined;
  const open = (/** @type {string} */ next, /** @type {boolean} */ byKey) => {
    opened.current.byClick = !byKey && matchMedia("(pointer: fine)").matches;
    places.open(next);
  };
  useKeyboard(open);
  useTitle(conversation);
  useOpened(id);
  useFocus(id);
  return html`<div class="inbox" data-open=${locked ? "nothing" : id ? "thread" : "list"}>
    <a class="skip unseen" href="#thread">${t("inbox.skip")}</a>
    <${Rail} />
    ${(locked || !conversation) && html`<${Strips} />`}
    ${!locked && html`<${Part} name="list"><${List} head=${html`<${ListHead} />`} onOpen=${open} /><//>`}
    <main class="inbox-main" id="thread" tabindex="-1">
      ${locked
        ? html`<${Locked} />`
        : conversation
        ? html`<${Part} key=${conversation.id} name="thread">
            <${Thread} conversation=${conversation} onBack=${() => places.open(null)} focus=${opened.current.byClick} />
          <//>`
        : html`<${Nobody} id=${id} />`}
    </main>
    ${conversation && html`<${Part} name="details"><${Details} conversation=${conversation} /><//>`}
    <${SignInAgain} open=${store.signedOut.value} known=${store.me.value.email ?? null} api=${api} onSignedIn=${signedIn}>${t("strip.signed_out")}<//>
    <${Dialogs} conversation=${conversation} onOpen=${open} />
    <${Toasts} />
    <${Announcer} />
  </div>`;
}

/** @param {import("../core/store.js").Store} store */
const noNumber = (store) => store.accounts.value.length === 0 && !store.may("conversations.view");

/** The reader may see no number, or this one no longer: why, and who can change that. */
function Locked() {
  const { store } = useApp();
  const look = html`<${Button} kind="tone" onClick=${() => location.assign("/inbox")}>${t("locked.again")}<//>`;
  return html`<${Empty} icon="lock" title=${t(noNumber(store) ? "locked.none" : "locked.lost")} action=${look}>${t("locked.who")}<//>`;
}

/** Nothing is open, or not there yet, or not for this reader. @param {{ id: string | null }} props */
function Nobody({ id }) {
  const { loading, places, store } = useApp();
  const [missing, setMissing] = useState(false);
  const live = store.connection.value.state === "live";
  useEffect(() => {
    setMissing(false);
    const refused = (/** @type {unknown} */ error) => error instanceof Refused && !error.passing;
    if (id) loading.conversation(id).catch((error) => setMissing(refused(error)));
  }, [id, live]);
  if (!id) return html`<${Empty} icon="message-square-text" title=${t("thread.none")} />`;
  if (!missing) return html`<div class="thread-empty late" aria-busy="true"></div>`;
  return html`<${Empty} icon="circle-alert" title=${t("thread.missing")}
    action=${html`<${Button} kind="tone" onClick=${() => places.open(null)}>${t("thread.back")}<//>`} />`;
}

/**
 * The title names who is open, and counts what is new among what is mine (I4).
 * @param {import("../core/types.js").Conversation | undefined} conversation
 */
function useTitle(conversation) {
  const { store } = useApp();
  const counts = store.counts.value[store.accountId.value ?? ""];
  const mine = counts?.mine_unread ?? 0;
  const where = conversation ? `${nameOf(conversation)} · ${t("inbox.title")}` : t("inbox.title");
  useEffect(() => {
    document.title = mine > 0 ? `(${mine}) ${where}` : where;
  }, [mine, where]);
}

/**
 * What had the focus may go with the conversation that was open: then the next one has it, or in the list the row that was
 * open, so that keys and readers go on from there.
 * @param {string | null} id
 */
function useFocus(id) {
  const last = useRef(id);
  useEffect(() => {
    const from = last.current;
    last.current = id;
    if (from === id || document.activeElement !== document.body) return;
    /** @type {HTMLElement | null} */ (document.querySelector(id ? "#thread" : `.list a[data-id="${from}"]`))?.focus({ preventScroll: true });
  }, [id]);
}

/** The open conversation is read and kept up to date, and colleagues see who is there. @param {string | null} id */
function useOpened(id) {
  const { open, panels, places } = useApp();
  useEffect(() => {
    panels.leave();
    open(id, places.message.peek()).catch(() => {}); // who is missing is told in its place
  }, [id]);
}
