/** Begins the inbox: everything is wired here, once, and given to the parts that draw. */

import { createNotifier } from "../core/notify.js";
import { playSound } from "../core/sound.js";
import { createAttachments } from "../core/attachments.js";
import { start } from "../core/start.js";
import { loadWords, t } from "../core/words.js";
import { computed, draw, html, signal, toast } from "../ui/index.js";
import { Inbox } from "./app.js";
import { createActions } from "./actions.js";
import { rememberAccount } from "./accounts.js";
import { AppProvider } from "./context.js";
import { filterOf } from "./listing.js";
import { Files } from "./loading.js";
import { createPanels } from "./panels.js";
import { createPlaces } from "./places.js";
import { nameOf, whyPerson } from "./row.js";
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
  files: new Files({ onSignedOut: () => (page.store.signedOut.value = true) }),
  settings: boot.settings,
  times: { ...page.times, now: page.time.now },
};

const notifier = createNotifier({
  store: page.store,
  leader: page.leader,
  tab: page.tab,
  wishes: () => ({ me: boot.me.id, choice: preferences.value.notify ?? "mine", text: preferences.value.notify_text === true }),
  words: (kind, row, withText) => ({
    title: nameOf(row),
    body: kind === "person" ? whyPerson(row) : withText ? (row.last_message ?? "") : t("notify.message"),
  }),
  sound: () => {
    if (preferences.value.sound) playSound().catch(() => {}); // a page that nobody has clicked in stays silent
  },
});
for (const name of ["focus", "blur", "visibilitychange"]) {
  addEventListener(name, () => notifier.looks(document.visibilityState === "visible" && document.hasFocus()), true);
}
navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  const id = /^\/inbox\/([0-9a-f-]{36})$/.exec(data?.open ?? "")?.[1];
  if (id) places.open(id);
});
addEventListener("beforeunload", (event) => {
  if (page.outgoing.atRisk) event.preventDefault();
});

// Where a keyboard covers the page instead of making it smaller, the page is as high as what can be seen (J2).
const seen = window.visualViewport;
seen?.addEventListener("resize", () => {
  const covered = window.innerHeight - seen.height > 1 && seen.scale === 1;
  document.documentElement.style.setProperty("--seen", covered ? `${seen.height}px` : "100dvh");
});

draw(html`<${AppProvider} value=${app}><${Inbox} /><//>`);
document.documentElement.dataset.ready = "";
