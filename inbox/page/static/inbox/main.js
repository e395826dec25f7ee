/** Begins the inbox: everything is wired here, once, and given to the parts that draw. */

import { createAttachments } from "../core/attachments.js";
import { start } from "../core/start.js";
import { loadWords, t } from "../core/words.js";
import { computed, draw, html, signal, toast } from "../ui/index.js";
import { Inbox } from "./app.js";
import { createActions } from "./actions.js";
import { rememberAccount } from "./accounts.js";
import { AppProvider } from "./context.js";
import { isPlain } from "./kinds.js";
import { fetchMore, more } from "./later.js";
import { filterOf } from "./listing.js";
import { createPanels } from "./panels.js";
import { createPlaces } from "./places.js";
import { createSelection } from "./selection.js";
import { createTeam } from "./team.js";

const BEAT = 30_000; // ms after which times that count minutes are written anew

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
const { default: words } = await import(`../words/${boot.lang}.js`);
loadWords(boot.lang, words);

const preferences = signal(boot.me.preferences ?? {});
const several = boot.accounts.length > 1;
const places = createPlaces({ userId: boot.me.id, order: preferences.peek().list_order, account: several ? boot.account_id : null });
const page = start(boot);
if (boot.conversation) page.store.applyConversation(boot.conversation);
const wanted = filterOf(places.view.value, boot.me.id);
if (sameList(boot.conversations?.query ?? {}, wanted)) page.store.filter.value = wanted;
else page.loading.list(wanted);
if (boot.account_id) rememberAccount(boot.account_id);
const beat = signal(0);
setInterval(() => (beat.value += 1), BEAT);
const today = computed(() => (beat.value, page.times.today()));

/**
 * The rows that came with the page are those of the wanted list, or hold them.
 * @param {Record<string, any>} query of those rows, with the number and how many they are
 * @param {import("../core/types.js").Filter} filter
 */
function sameList({ account_id: _account, limit: _limit, ...query }, { status, ...filter }) {
  const wanted = status === undefined || status === "open" ? filter : { status, ...filter };
  return JSON.stringify(Object.entries(query).sort()) === JSON.stringify(Object.entries(wanted).sort());
}

/** @param {Record<string, any>} change */
function prefer(change) {
  preferences.value = { ...preferences.peek(), ...change };
  // It holds here; the next change tries again.
  return page.api.patch("/auth/me", { preferences: change }).then(() => {}, () => {});
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("copy.done"));
  } catch {
    toast(t("copy.failed"));
  }
}

const team = createTeam(page.api);

/** @type {import("./context.js").App} */
const app = {
  ...page,
  places,
  preferences,
  prefer,
  beat,
  today,
  copy,
  actions: createActions({ ...page, team }),
  attachments: createAttachments(page),
  selection: createSelection(page),
  team,
  panels: createPanels(preferences, prefer),
  composer: { current: null },
  settings: boot.settings,
  times: { ...page.times, now: page.time.now },
};

addEventListener("beforeunload", (event) => {
  if (page.outgoing.atRisk || app.attachments.any) event.preventDefault();
});

// Where a keyboard covers the page instead of making it smaller, the page is as high as what can be seen (J2).
const seen = window.visualViewport;
seen?.addEventListener("resize", () => {
  const covered = window.innerHeight - seen.height > 1 && seen.scale === 1;
  document.documentElement.style.setProperty("--seen", covered ? `${seen.height}px` : "100dvh");
});

function show() {
  draw(html`<${AppProvider} value=${app}><${Inbox} /><//>`);
  document.documentElement.dataset.ready = "";
  fetchMore();
}

more.here.subscribe((part) => part?.begin(app));
// What the first look shows comes before it, so that nothing moves. No await: a part waits for this module to end.
if (boot.thread?.rows.every(isPlain) ?? true) show();
else more.want().then(show, show);
