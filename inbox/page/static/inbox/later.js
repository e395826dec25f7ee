/**
 * What comes after the page: with its words, and for what writes more than a text its looks. `more` is fetched when the
 * page has stood for a moment, or when somebody asks for something of it before; `writing` when somebody first asks: most
 * pages are opened and closed without.
 */

import { language, loadWords, t } from "../core/words.js";
import { Button, html, signal, toast, useEffect, useState } from "../ui/index.js";
import { useApp } from "./context.js";

const REST = 1500; // ms for which the page stands before it fetches what nobody has asked for
const AGAIN = 30_000; // ms after which it tries again

/** @typedef {typeof import("../more/main.js").more} More */
/** @typedef {{ Writing: any, limits: import("../writing/form.js").Limits }} Writing */

/**
 * A part of the page. `here`: it, once it is. `want()` fetches it; who asks after a failure tries again.
 * @template T
 * @param {() => Promise<T>} load
 */
function createPart(load) {
  const here = signal(/** @type {T | null} */ (null));
  /** @type {Promise<T> | null} */
  let loading = null;
  const want = () => {
    loading ??= load().then(
      (part) => (here.value = part),
      (error) => {
        loading = null;
        throw error;
      },
    );
    return loading;
  };
  return { here, want };
}

async function loadMore() {
  const [part] = await Promise.all([import("../more/main.js"), spoken("more")]);
  return part.more;
}

/** @returns {Promise<Writing>} */
async function loadWriting() {
  const [{ Writing }, limits] = await Promise.all([import("../writing/main.js"), made("limits"), spoken("writing"), looks()]);
  return { Writing, limits: limits.default };
}

/** What the server makes of words and limits. @param {string} name */
const made = (name) => import(`../words/${name}.js`);

/** Learn the words of a part. @param {string} name */
async function spoken(name) {
  loadWords(language(), (await made(`${name}-${language()}`)).default);
}

function looks() {
  const link = document.createElement("link");
  const done = new Promise((loaded, failed) => Object.assign(link, { onload: loaded, onerror: failed }));
  link.rel = "stylesheet";
  link.href = new URL("../style/writing.css", import.meta.url).href;
  document.head.append(link);
  return done;
}

/** Why a part did not come: its address may be of a release that is gone. @param {{ newRelease: { value: boolean } }} store */
export const notLoaded = ({ newRelease }) => t(newRelease.value ? "ui.old_release" : "ui.not_loaded");

export const more = createPart(loadMore);
const writing = createPart(loadWriting);

/** Fetch `more` when the page stands and the browser has nothing else to do. @param {number} [wait] ms */
export function fetchMore(wait = REST) {
  const idle = globalThis.requestIdleCallback ?? setTimeout; // Safari has none
  setTimeout(() => idle(() => more.want().catch(() => fetchMore(AGAIN))), wait);
}

/**
 * A component of `more`, with its own props. Until it is there its children stand in its place, if it has any.
 * @param {{ is: keyof More, children?: any } & Record<string, any>} props
 */
export function More({ is, children, ...props }) {
  const { store } = useApp();
  const part = more.here.value;
  const [failed, setFailed] = useState(false);
  const want = () => {
    setFailed(false);
    more.want().catch(() => setFailed(true));
  };
  useEffect(() => {
    if (!part) want();
  }, []);
  if (part) return html`<${part[is]} ...${props} />`;
  if (!failed) return children ?? null;
  return html`<p class="small quiet" role="alert">${notLoaded(store)} <${Button} little onClick=${want}>${t("list.again")}<//></p>`;
}

/** @param {string} which of the dialogs */
const partOf = (which) => (which === "palette" || which === "help" ? more : writing);

/** Whether a dialog was asked for that is still on its way. @param {string | null} which */
export const isComing = (which) => which !== null && partOf(which).here.peek() === null;

/**
 * What lies over the page: the palette, the help, and the dialogs that write.
 * @param {{ conversation: import("../core/types.js").Conversation | undefined, onOpen: (id: string, byKey: boolean) => void }} props
 */
export function Dialogs({ conversation, onOpen }) {
  const { panels, store } = useApp();
  const which = panels.dialog.value;
  const [had, wrote] = [more.here.value, writing.here.value];
  useEffect(() => {
    if (which === null) return;
    partOf(which).want().catch(() => {
      panels.closeDialog();
      toast(notLoaded(store));
    });
  }, [which]);
  return html`
    ${had && html`<${had.Palette} onOpen=${onOpen} /><${had.Help} />`}
    ${wrote && conversation && html`<${wrote.Writing} conversation=${conversation} limits=${wrote.limits} />`}`;
}
