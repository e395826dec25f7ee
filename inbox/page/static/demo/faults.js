/** What can be broken, and what an ordinary application does then: the README's measured table, not a claim. */

export const FAULTS = ["gemini_hangs", "gemini_503", "whatsapp_late", "answer_lost", "token_refused", "webhooks_twice"];

/**
 * Measured on a small application that calls its upstreams inside the request, 30 s of the fault (docs/benchmarks.md).
 * @type {Record<string, {twice: number, timeouts: number}>}
 */
export const COMPARED = {
  gemini_hangs: { twice: 117, timeouts: 0.975 },
  gemini_503: { twice: 0, timeouts: 1 },
  whatsapp_late: { twice: 120, timeouts: 1 },
};
