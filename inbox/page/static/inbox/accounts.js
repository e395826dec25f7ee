/** Whose number it is; with two or more, the way to the others. Each number is returned to where it was left. */

import { t } from "../core/words.js";
import { html, Icon, Menu } from "../ui/index.js";
import { useApp } from "./context.js";
import { shownNumber } from "./phone.js";
import { Plain } from "./text.js";

const COOKIE = "inbox_account"; // which number a shell begins with, where its address does not say
const A_YEAR = 365 * 86_400; // seconds

/** @param {string} id */
const placeOf = (id) => `inbox place ${id}`;

/** @param {string} id */
export function rememberAccount(id) {
  document.cookie = `${COOKIE}=${id}; path=/; max-age=${A_YEAR}; samesite=lax`;
}

export function AccountName() {
  const { store } = useApp();
  const accounts = store.accounts.value;
  const open = accounts.find((one) => one.id === store.accountId.value);
  if (accounts.length < 2) return html`<h1><${Plain} text=${open?.name ?? ""} /></h1>`;
  const items = accounts.map((each) => ({
    label: html`<${Plain} text=${each.name} />`,
    hint: each.phone_number ? shownNumber(each.phone_number) : undefined,
    checked: each.id === open?.id,
    onSelect: () => each.id !== open?.id && go(open?.id ?? "", each.id),
  }));
  return html`<h1 class="account"><${Menu} label=${t("account.switch", { name: open?.name ?? "" })} items=${items}>
    <span class="clip"><${Plain} text=${open?.name ?? ""} /></span><${Icon} name="chevron-down" size=${16} />
  <//></h1>`;
}

/** @param {string} from @param {string} to */
function go(from, to) {
  try {
    sessionStorage.setItem(placeOf(from), location.pathname + location.search);
    rememberAccount(to);
    location.assign(sessionStorage.getItem(placeOf(to)) ?? "/inbox");
  } catch {
    location.assign(`/inbox?account_id=${to}`); // a browser that keeps nothing
  }
}
