/** Begins what the first look at list and thread does not need: what the inbox loads when it has stood for a moment. */

import { beginToAnnounce } from "./announcing.js";
import { BulkBar } from "./bulk.js";
import { suggestCanned } from "./canned.js";
import { Details } from "./details.js";
import { Picker, suggestEmoji } from "./emoji.js";
import { Found } from "./found.js";
import { Help } from "./help.js";
import { beginToNotify } from "./notifying.js";
import { Kind } from "./kinds.js";
import { Palette } from "./palette.js";
import { Road } from "./road.js";

/** @param {import("../inbox/context.js").App} app */
function begin(app) {
  beginToNotify(app);
  beginToAnnounce(app);
}

export const more = { begin, BulkBar, Details, Found, Help, Kind, Palette, Picker, Road, suggestCanned, suggestEmoji };
