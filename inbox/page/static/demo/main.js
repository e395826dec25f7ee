/** The demo's drawer, on every page of the demo and nowhere else: break things, write as a customer, read the score. */

import { createApi } from "../core/api.js";
import { createServerTime } from "../core/time.js";
import { loadWords, problemText, t } from "../core/words.js";
import { Button, effect, html, Icon, render, signal } from "../ui/index.js";
import { COMPARED, FAULTS } from "./faults.js";
import { CAMILLE, play } from "./minute.js";
import { Phone } from "./phone.js";
import { Score } from "./score.js";

const EVERY = 2_000; // ms between two looks, while the drawer is open
const OPEN = "inbox demo open"; // in this tab's own memory
const BROKEN = "inbox demo broken";

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
const [common, own] = await Promise.all([import(`../words/${boot.lang}.js`), import(`../words/status-${boot.lang}.js`)]);
loadWords(boot.lang, { ...common.default, ...own.default });
const time = createServerTime();
time.begin(boot.now);
const api = createApi({ csrf: boot.csrf, userId: boot.me.id, time, onSignedOut: () => location.assign("/sign-in") });

const open = signal(sessionStorage.getItem(OPEN) === "yes");
const desk = signal(/** @type {any} */ (null));
const broken = signal(/** @type {Record<string, number>} */ (JSON.parse(sessionStorage.getItem(BROKEN) ?? "{}")));
const caption = signal("");
const trouble = signal("");
const playing = signal(/** @type {AbortController|null} */ (null));
const beat = signal(0);
effect(() => sessionStorage.setItem(OPEN, open.value ? "yes" : "no"));
effect(() => sessionStorage.setItem(BROKEN, JSON.stringify(broken.value)));

async function readDesk() {
  desk.value = (await api.get("/demo/desk", { phone: CAMILLE.phone })).body;
  return desk.value;
}

async function look() {
  if (!open.peek() || document.visibilityState === "hidden") return;
  try {
    await readDesk();
    trouble.value = "";
  } catch (refused) {
    trouble.value = problemText(/** @type {any} */ (refused));
  }
}

function unfold() {
  open.value = true;
  look();
}

/** @param {string} name */
async function breakIt(name) {
  await api.post("/demo/faults", { name });
  broken.value = { ...broken.peek(), [name]: time.now() + 60_000 };
}

async function mend() {
  await api.del("/demo/faults");
  broken.value = {};
}

/** @param {string} text @param {{phone: string, name: string}} [who] */
const write = (text, who = CAMILLE) => api.post("/demo/messages", { ...who, text });

async function minute() {
  const stop = new AbortController();
  playing.value = stop;
  try {
    const say = (/** @type {string} */ words) => (caption.value = words);
    const score = async () => (await readDesk()).score;
    await play({ api, accountId: boot.account_id, breakIt, mend, write, say, score, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) trouble.value = problemText(/** @type {any} */ (error));
    await mend().catch(() => {});
  }
  playing.value = null;
  setTimeout(() => (caption.value = ""), 12_000);
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && playing.peek()) playing.peek()?.abort();
});

function Demo() {
  void beat.value;
  return html`
    ${caption.value && !open.value && html`<p class="demo-caption" role="status">${caption.value}</p>`}
    ${open.value ? html`<${Drawer} />` : html`<${Button} kind="filled" class="demo-open" onClick=${unfold}>${t("demo.open")}<//>`}
  `;
}

function Drawer() {
  const now = time.now();
  /** @param {string} name */
  const left = (name) => Math.ceil(((broken.value[name] ?? 0) - now) / 1000);
  const on = FAULTS.filter((name) => left(name) > 0);
  return html`<aside class="demo" aria-label=${t("demo.title")}>
    <header>
      ${caption.value ? html`<p class="demo-said" role="status">${caption.value}</p>` : html`<h2>${t("demo.title")}</h2>`}
      ${on.length > 0 && !playing.value && html`<${Button} kind="tone" little onClick=${mend}>${t("demo.mend")}<//>`}
      <${Button} icon="x" label=${t("ui.close")} onClick=${() => (open.value = false)} />
    </header>
    <div class="demo-parts">
      <section aria-labelledby="demo-break">
        ${playing.value
          ? html`<${Button} kind="tone" onClick=${() => playing.value?.abort()}>${t("demo.stop")}<//>`
          : html`<${Button} kind="filled" icon="play" onClick=${minute}>${t("demo.minute")}<//>`}
        <h3 id="demo-break">${t("demo.break")}</h3>
        <ul class="demo-faults">
          ${FAULTS.map((name) => html`<li key=${name}>
            <button type="button" class="demo-fault" aria-pressed=${String(left(name) > 0)} disabled=${Boolean(playing.value)}
              onClick=${() => breakIt(name).catch((refused) => (trouble.value = problemText(refused)))}>
              <${Icon} name=${left(name) > 0 ? "zap" : "circle"} size=${16} /><span>${t(`demo.fault.${name}`)}</span>
              <span class="demo-left">${left(name) > 0 ? t("status.seconds", { n: left(name) }) : ""}</span>
            </button>
          </li>`)}
        </ul>
        ${on.includes("token_refused") && html`<p class="quiet small">${t("demo.token.after")}</p>`}
      </section>
      <${Phone} who=${CAMILLE} received=${desk.value?.received ?? []} write=${write} onTrouble=${(/** @type {string} */ said) => (trouble.value = said)} />
      <${Score} score=${desk.value?.score ?? null} compared=${on.map((name) => COMPARED[name]).find(Boolean) ?? null} />
    </div>
    ${trouble.value && html`<p class="demo-trouble" role="alert">${trouble.value}</p>`}
  </aside>`;
}

const root = document.body.appendChild(document.createElement("div"));
root.id = "demo";
render(html`<${Demo} />`, root);
look();
setInterval(look, EVERY);
setInterval(() => (beat.value += 1), 1000);
