/**
 * The one line that says what is wrong with everything at once: the weightiest thing alone. It lies over the beginning of
 * what is shown, so it comes and goes and nothing moves.
 */

import { t } from "../core/words.js";
import { html, Strip } from "../ui/index.js";
import { useApp } from "./context.js";
import { nameOf } from "./row.js";

/**
 * What there is to say, the weightiest first; null: nothing.
 * @param {object} seen
 * @param {boolean} seen.signedOut
 * @param {boolean} seen.newRelease
 * @param {import("../core/types.js").Connection} seen.connection
 * @param {string[]} seen.notices codes
 * @returns {string | null} a key of LOOKS
 */
export function weightiest({ signedOut, newRelease, connection, notices }) {
  if (signedOut) return "signed_out";
  if (connection.state === "offline") return "offline";
  if (notices.includes("database_away")) return "database_away";
  if (connection.state === "busy" || connection.state === "stale") return connection.state;
  if (notices.includes("reply_expiring")) return "reply_expiring";
  if (notices.includes("number_paused")) return "number_paused";
  if (notices.includes("whatsapp_away")) return "whatsapp_away";
  if (notices.includes("gemini_away")) return "gemini_away";
  if (notices.includes("whatsapp_struggling")) return "whatsapp_struggling";
  if (notices.includes("gemini_struggling")) return "gemini_struggling";
  if (newRelease) return "new_release";
  return notices.includes("number_warned") ? "number_warned" : null;
}

/** @type {Record<string, { tone: "info" | "warn" | "danger", icon: string }>} */
const LOOKS = {
  signed_out: { tone: "danger", icon: "log-out" },
  offline: { tone: "warn", icon: "wifi-off" },
  database_away: { tone: "danger", icon: "triangle-alert" },
  busy: { tone: "warn", icon: "hourglass" },
  stale: { tone: "warn", icon: "hourglass" },
  reply_expiring: { tone: "warn", icon: "clock-fading" },
  number_paused: { tone: "warn", icon: "pause" },
  whatsapp_away: { tone: "warn", icon: "triangle-alert" },
  gemini_away: { tone: "info", icon: "bot-off" },
  whatsapp_struggling: { tone: "warn", icon: "triangle-alert" },
  gemini_struggling: { tone: "info", icon: "bot" },
  number_warned: { tone: "warn", icon: "triangle-alert" },
  new_release: { tone: "info", icon: "refresh-cw" },
};

/** What can be done about it at once. @param {string} which @param {import("../core/store.js").Store} store */
function actionOf(which, store) {
  if (which === "new_release") return { label: t("strip.reload"), onClick: () => location.reload() };
  const ofNumber = which === "number_paused" || which === "number_warned";
  if (ofNumber && store.may("accounts.view", store.accountId.value)) return { label: t("strip.numbers"), href: "/settings/numbers" };
  return undefined;
}

export function Strips() {
  const { places, store, times } = useApp();
  const connection = store.connection.value;
  const which = weightiest({
    signedOut: store.signedOut.value,
    newRelease: store.newRelease.value,
    connection,
    notices: store.notices.value.map((notice) => notice.code),
  });
  if (!which) return html`<div class="inbox-strip"></div>`;
  const notice = store.notices.value.find(({ code }) => code === which);
  const open = { label: t("strip.open"), onClick: () => places.open(notice?.conversation_id ?? null) };
  const [first, ...more] = sentence().split(/(?<=[.!?]) /);
  return html`<div class="inbox-strip"><${Strip} ...${LOOKS[which]} action=${which === "reply_expiring" ? open : actionOf(which, store)}>${first}${more.length > 0 &&
    html`<span class="strip-more"> ${more.join(" ")}</span>`}<//></div>`;

  function sentence() {
    if (which === "number_warned") return t(`number.warned.${notice?.reason}`);
    if (notice?.reason === "paused_by_a_person") return t("strip.number_paused.by_hand");
    const row = store.conversations.value.get(notice?.conversation_id ?? "");
    return t(`strip.${which}`, {
      seconds: Math.max(1, Math.round(((connection.retryAt ?? 0) - times.now()) / 1000)),
      at: times.precise(connection.since),
      until: notice?.until ? times.clock(notice.until) : "",
      name: row ? nameOf(row) : t("strip.somebody"),
    });
  }
}
