/** The way to the other pages, and who is signed in. On a phone it is the bar at the bottom. */

import { plural, t } from "../core/words.js";
import { Badge, html, Icon } from "../ui/index.js";
import { useApp } from "./context.js";
import { MeMenu } from "./me.js";

export function Rail() {
  const { places, store } = useApp();
  const trouble = store.notices.value.length > 0;
  const counts = store.counts.value[store.accountId.value ?? ""];
  return html`<nav class="rail" aria-label=${t("rail.title")}>
    <a class="rail-item" href=${places.home} aria-current="page" title=${t("rail.inbox")}>
      <${Icon} name="inbox" />
      <${Badge} count=${counts?.mine_unread ?? 0} label=${plural("rail.unread", counts?.mine_unread ?? 0)} />
      <span class="rail-name">${t("rail.inbox")}</span>
    </a>
    <a class="rail-item" href="/status" title=${t(trouble ? "rail.trouble" : "rail.status")}>
      <${Icon} name="activity" />
      ${trouble && html`<span class="rail-dot"></span><span class="unseen">${t("rail.trouble")}</span>`}
      <span class="rail-name">${t("rail.status")}</span>
    </a>
    <a class="rail-item rail-settings" href="/settings" title=${t("rail.settings")}>
      <${Icon} name="settings" />
      <span class="rail-name">${t("rail.settings")}</span>
    </a>
    <${MeMenu} />
  </nav>`;
}
