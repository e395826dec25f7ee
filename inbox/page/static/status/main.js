/** How everything stands: one sentence, the road of messages, each service, what was. Read anew while somebody looks. */

import { createApi } from "../core/api.js";
import { createServerTime, createTimes } from "../core/time.js";
import { loadWords, t } from "../core/words.js";
import { announce, Announcer, Button, draw, html, signal, Toasts } from "../ui/index.js";
import { Actions } from "./actions.js";
import { Incidents } from "./incidents.js";
import { Road } from "./road.js";
import { Sentence } from "./sentence.js";
import { Services } from "./services.js";

const EVERY = 5_000; // ms between two looks
const HISTORY_EVERY = 30_000; // ms
const STALE = 20_000; // ms without an answer

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
const [common, own] = await Promise.all([import(`../words/${boot.lang}.js`), import(`../words/status-${boot.lang}.js`)]);
loadWords(boot.lang, { ...common.default, ...own.default });
document.title = `${t("status.title")} · ${t("app.name")}`;

const time = createServerTime();
time.begin(boot.now);
const lang = navigator.languages.find((each) => each.split("-")[0] === boot.lang) ?? boot.lang;
const times = createTimes({ lang, now: time.now });
const api = createApi({
  csrf: boot.csrf,
  userId: boot.me.id,
  time,
  onSignedOut: () => location.assign("/sign-in?next=%2Fstatus"),
});

const status = signal(/** @type {import("./types.js").Status | null} */ (null));
const history = signal(/** @type {import("./types.js").History | null} */ (null));
const lastAnswer = signal(performance.now());
const beat = signal(0);
let historyAt = Number.NEGATIVE_INFINITY;

async function look() {
  if (document.visibilityState === "hidden") return;
  try {
    const { body } = await api.get("/status", {});
    if (status.peek() && status.peek()?.code !== body.code) announce(t(`status.sentence.${body.code}`));
    status.value = body;
    lastAnswer.value = performance.now();
    if (performance.now() - historyAt > HISTORY_EVERY) {
      historyAt = performance.now();
      history.value = (await api.get("/status/history", { minutes: 60 })).body;
    }
  } catch {
    // What is shown says since when it is old; the next look tries again.
  }
}

function Page() {
  void beat.value;
  const seen = status.value;
  const old = performance.now() - lastAnswer.value > STALE;
  if (!seen) return html`<p class="starting">${t("shell.loading")}</p>`;
  const parts = { status: seen, history: history.value, times, now: time.now() };
  return html`<div class="status">
    <header class="status-head">
      <${Button} class="status-back" icon="arrow-left" href="/inbox">${t("status.to_inbox")}<//>
      ${old && html`<p class="status-old" role="status">${t("status.old")}</p>`}
    </header>
    <main>
      <${Sentence} ...${parts} />
      <${Road} ...${parts} />
      <${Services} ...${parts} api=${api} onDone=${look} />
      <${Incidents} ...${parts} />
      ${seen.may_act && html`<${Actions} ...${parts} api=${api} onDone=${look} />`}
    </main>
    <${Announcer} /><${Toasts} />
  </div>`;
}

draw(html`<${Page} />`);
await look();
requestAnimationFrame(() => (document.documentElement.dataset.ready = ""));
setInterval(look, EVERY);
setInterval(() => (beat.value += 1), 1000);
document.addEventListener("visibilitychange", look);
