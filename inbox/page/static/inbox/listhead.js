/** Above the list: whose number it is, and the way to find something in it. */

import { html } from "../ui/index.js";
import { AccountName } from "./accounts.js";
import { FilterMenu } from "./filters.js";
import { SearchBox } from "./search.js";

export function ListHead() {
  return html`<header class="list-head"><${AccountName} /><${FilterMenu} /><${SearchBox} /></header>`;
}
