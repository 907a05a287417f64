// The call's numbers: those that the process reports, with this browser's delay added.

import { LIMITS, showNumbers as show } from "./page/numbers.js";

/** Frames a second: a call's own process renders more than a browser can. */
const OWN_LIMITS = { ...LIMITS, fps: [10, 20] };

/** `told`: the process's stats; `browser`: milliseconds that sound and picture take in this browser, null if unknown. */
export function showNumbers(told, browser) {
  const here = browser.sound ?? browser.picture;
  const parts = Object.entries(browser).filter(([, ms]) => ms !== null);
  document.getElementById("browser").title = parts.map(([name, ms]) => `${name}: ${ms.toFixed(0)} ms`).join(", ");
  show({
    bpp: told.bpp_video,
    up: told.wire_kbps_out,
    down: told.wire_kbps_in,
    fps: told.fps,
    drawn: told.drawn_fps,
    delay: typeof told.delay_ms === "number" ? told.delay_ms + (here ?? 0) : null,
    browser: here,
    loss: told.loss,
    consistency: told.consistency_db,
    worstConsistency: told.consistency_worst_db,
    alone: told.peer_present === false,
  }, OWN_LIMITS);
}
