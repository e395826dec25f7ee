/**
 * The list of conversations. While somebody points at it, or has the focus in it, rows change in place but do not move
 * (F1); what stopped matching stays until it is left (F3).
 */

import { t, plural } from "../core/words.js";
import {
  Button, classes, Empty, html, Pill, useComputed, useEffect, useLayoutEffect, useMemo, useRef, useState,
} from "../ui/index.js";
import { othersIn } from "./beside.js";
import { touches } from "./composer.js";
import { useApp } from "./context.js";
import { Filters } from "./filters.js";
import { More } from "./later.js";
import { drawn, filterOf, frozen, moved } from "./listing.js";
import { shownNumber } from "./phone.js";
import { nameOf, Row } from "./row.js";

const ROW = 76; // pixels, as in inbox.css
const MOST = 120; // rows in the document
const AHEAD = 20; // rows before the end at which the next page is asked for
const TOUCHED = 1200; // ms after a finger has gone during which the list stays still

/**
 * @param {{ onOpen: (id: string, byKey: boolean) => void, head: any }} props
 */
export function List({ onOpen, head }) {
  const { loading, places, selection, store } = useApp();
  const view = places.view.value;
  const filter = filterOf(view, store.me.value.id);
  const name = JSON.stringify(filter);
  useEffect(() => {
    if (name !== JSON.stringify(store.filter.peek())) loading.list(filter);
    return selection.clear; // what another list shows is not chosen
  }, [name]);
  return html`<section class="list" aria-label=${t("list.title")}>
    ${head}
    ${places.q.value
      ? html`<${More} is="Found" onOpen=${onOpen}><p class="found-hint small quiet late" aria-busy="true">${t("search.busy")}</p><//>`
      : html`${selection.active.value ? html`<${More} is="BulkBar"><${Filters} /><//>` : html`<${Filters} />`}<${Rows} key=${name} filter=${filter} onOpen=${onOpen} />`}
    <${Foot} />
  </section>`;
}

/**
 * @param {{ filter: import("../core/types.js").Filter, onOpen: (id: string, byKey: boolean) => void }} props
 */
function Rows({ filter, onOpen }) {
  const { loading, places, selection, store } = useApp();
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const open = places.conversation.value;
  const list = store.list.value;
  const rows = store.conversations.value;
  const fresh = useMemo(() => store.shown.value.map((row) => row.id), [store.shown.value]);
  const { still, handlers, letGo } = useStillness();
  const shownRef = useRef(/** @type {string[]} */ ([]));
  const shown = still && shownRef.current.length ? frozen(shownRef.current, fresh, (id) => rows.has(id)) : fresh;
  shownRef.current = shown;
  const waiting = still ? moved(shown, fresh) : 0;
  const [scrolled, setScrolled] = useState(0);
  const { from, count } = drawn(scrolled, ROW, shown.length, MOST);
  const nearEnd = scrolled + (box.current?.clientHeight ?? 800) > (shown.length - AHEAD) * ROW;
  useEffect(() => {
    if (nearEnd && list.next !== null && !list.trouble) loading.more();
  }, [nearEnd, list]);
  useLayoutEffect(() => {
    const place = open ? shown.indexOf(open) : -1;
    const height = box.current?.clientHeight ?? 0;
    if (box.current && (place + 1) * ROW > height) box.current.scrollTop = place * ROW - height / 3;
  }, []);
  if (shown.length === 0 && list.next === null && !list.loading && !list.trouble) return html`<${Nothing}
    filter=${filter} />`;
  return html`<div class="list-rows">
    ${waiting > 0 &&
    html`<${Pill} onClick=${() => {
      letGo();
      box.current?.scrollTo({ top: 0 });
    }}>${plural("list.moved", waiting)}<//>`}
    <nav
      class=${classes("list-scroll", selection.active.value && "list-choosing")}
      ref=${box}
      aria-label=${t("list.title")}
      onScroll=${(/** @type {any} */ event) => setScrolled(Math.floor(event.currentTarget.scrollTop / ROW) * ROW)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => walk(event, box.current)}
      ...${handlers}
    >
      <div style=${{ height: `${from * ROW}px` }}></div>
      ${shown.slice(from, from + count).map((id) => {
        const row = rows.get(id);
        return row && html`<${Held} key=${id} row=${row} open=${id === open} shown=${shownRef} onOpen=${onOpen} />`;
      })}
      <div style=${{ height: `${Math.max(0, shown.length - from - count) * ROW}px` }}></div>
      <${End} onAgain=${loading.more} />
    </nav>
  </div>`;
}

/**
 * A row with what stands beside it: the reader's draft, and who else is there.
 * @param {object} props
 * @param {import("../core/types.js").Conversation} props.row
 * @param {boolean} props.open
 * @param {{ current: string[] }} props.shown the list in its order
 * @param {(id: string, byKey: boolean) => void} props.onOpen
 */
function Held({ row, open, shown, onOpen }) {
  const { drafts, outgoing, selection, store } = useApp();
  // Of its own draft alone: a key in the field draws no row anew (F6).
  const draft = useComputed(() => drafts.texts.value.get(row.id) ?? null);
  const unsent = useComputed(() => outgoing.held.value.includes(row.id));
  const others = useComputed(() => othersIn(store.present.value, row.id));
  const chosen = useComputed(() => selection.ids.value.has(row.id));
  const choose = (/** @type {MouseEvent} */ event) => (event.shiftKey ? selection.extend(row.id, shown.current) : selection.toggle(row.id));
  const pressed = (/** @type {MouseEvent} */ event, /** @type {string} */ id) => {
    if (event.shiftKey && event.button === 0) {
      event.preventDefault();
      choose(event);
      return;
    }
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    if (selection.active.peek() && touches()) return selection.toggle(id);
    onOpen(id, event.detail === 0);
  };
  return html`<div class=${classes("row-place", chosen.value && "row-chosen")}>
    <input type="checkbox" class="row-check" tabindex=${selection.active.value ? 0 : -1} checked=${chosen.value}
      aria-label=${t("bulk.choose", { name: nameOf(row) })} onClick=${choose} />
    <${Row} row=${row} open=${open} draft=${open ? null : draft.value} unsent=${unsent.value} others=${others.value} onOpen=${pressed} />
  </div>`;
}

/** The end of what is loaded. @param {{ onAgain: () => void }} props */
function End({ onAgain }) {
  const { loading, trouble } = useApp().store.list.value;
  if (trouble) return html`<p class="list-more">${t("list.failed")} <${Button} little
    onClick=${onAgain}>${t("list.again")}<//></p>`;
  return loading ? html`<p class="list-more late">${t("list.loading")}</p>` : null;
}

/** @param {{ filter: import("../core/types.js").Filter }} props */
function Nothing({ filter }) {
  const { places, store } = useApp();
  const view = places.view.value;
  const account = store.accounts.value.find((one) => one.id === store.accountId.value);
  const untouched = view.name === "all" && !filter.label_id && filter.order !== "waiting";
  if (untouched && store.conversations.value.size === 0) {
    const number = account?.phone_number ? shownNumber(account.phone_number) : null;
    return html`<${Empty} icon="inbox" title=${t("empty.first")}>${number && t("empty.first.number", { number })}<//>`;
  }
  const calm = view.name === "waiting" || view.name === "person" || filter.order === "waiting" || untouched;
  return html`<${Empty} icon="circle-check" title=${calm ? t("empty.answered") : t(`empty.${view.name}`)} />`;
}

/** How old what is shown may be, and how many texts of this person have not left (E6). */
function Foot() {
  const { outgoing, places, store, times } = useApp();
  const unsent = outgoing.count.value;
  /** To the next conversation in which one waits. */
  const follow = () => {
    const ids = [...new Set(outgoing.rows.peek().map((row) => row.conversationId))];
    places.open(ids[(ids.indexOf(places.conversation.peek() ?? "") + 1) % ids.length]);
  };
  const { state, since } = store.connection.value;
  const fresh = state === "live" || state === "trying";
  return html`<p class="list-foot" data-state=${fresh ? "live" : "old"}>
    <span>${fresh ? t("foot.live") : t("foot.old", { at: times.precise(since) })}</span>
    ${unsent > 0 && html`<button type="button" class="list-unsent" title=${t("foot.follow")} onClick=${follow}>${plural("foot.unsent", unsent)}</button>`}
  </p>`;
}

/** While a pointer rests on the list, a finger is on it, or the focus is in it. */
function useStillness() {
  const [over, setOver] = useState(false);
  const [inside, setInside] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const touched = () => {
    clearTimeout(timer.current);
    setOver(true);
  };
  const handlers = {
    onPointerEnter: (/** @type {PointerEvent} */ event) => event.pointerType === "mouse" && setOver(true),
    onPointerLeave: (/** @type {PointerEvent} */ event) => event.pointerType === "mouse" && setOver(false),
    onTouchStart: touched,
    onTouchEnd: () => {
      timer.current = setTimeout(() => setOver(false), TOUCHED);
    },
    onFocusIn: (/** @type {any} */ event) => setInside(event.target.matches(":focus-visible")),
    onFocusOut: () => setInside(false),
  };
  const letGo = () => {
    setOver(false);
    setInside(false);
  };
  return { still: over || inside, handlers, letGo };
}

/**
 * Arrows walk from row to row.
 * @param {KeyboardEvent} event
 * @param {HTMLElement | null} box
 */
function walk(event, box) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !box) return;
  const rows = /** @type {HTMLElement[]} */ ([...box.querySelectorAll("a.row")]);
  const next = rows[rows.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
