// The call's numbers as text, and two meters: how good the call is, and how far the picture is supported by what was sent.

const FORMAT = {
  bpp_video: (value) => value.toFixed(5),
  wire_kbps_out: (value) => value.toFixed(1),
  wire_kbps_in: (value) => value.toFixed(1),
  fps: (value) => value.toFixed(1),
  delay_ms: (value) => value.toFixed(0),
  browser_ms: (value) => value.toFixed(0),
  loss: (value) => (100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0),
  consistency_db: (value) => value.toFixed(1),
};
const GRADES = ["–", "poor", "fair", "good"];
/** What each must at least be (loss and delay: at most) to be fair, and to be good. */
const LIMITS = { fps: [10, 20], delay_ms: [800, 450], loss: [0.15, 0.04] };

/** `told`: what the call's process tells; `browser`: milliseconds that sound and picture need in this browser, null where unknown. */
export function showNumbers(told, browser) {
  const stats = { ...told, browser_ms: browser.sound ?? browser.picture };
  if (typeof stats.delay_ms === "number") stats.delay_ms += stats.browser_ms ?? 0;
  const parts = Object.entries(browser).filter(([, ms]) => ms !== null);
  document.getElementById("browser").title = parts.map(([name, ms]) => `${name}: ${ms.toFixed(0)} ms`).join(", ");
  for (const cell of document.querySelectorAll("[data-stat]")) {
    const value = stats[cell.dataset.stat];
    const known = typeof value === "number";
    const parts = [known ? FORMAT[cell.dataset.stat](value) : "–"];
    if (known && cell.dataset.unit) {
      const unit = document.createElement("span");
      unit.className = "unit";
      unit.textContent = cell.dataset.unit;
      parts.push(unit);
    }
    cell.replaceChildren(...parts);
  }
  const worst = stats.consistency_worst_db;
  document.getElementById("trust").value = typeof worst === "number" ? worst : 0;
  const grade = quality(stats);
  document.getElementById("quality").value = grade;
  document.getElementById("grade").textContent = GRADES[grade];
}

/** 0 (nothing known) to 3: the worst of what is known. */
function quality(stats) {
  if (stats.peer_present === false) return 0;
  const grades = Object.entries(LIMITS)
    .filter(([name]) => typeof stats[name] === "number")
    .map(([name, [fair, good]]) => {
      const enough = (limit) => (good > fair ? stats[name] >= limit : stats[name] <= limit);
      return enough(good) ? 3 : enough(fair) ? 2 : 1;
    });
  return grades.length ? Math.min(...grades) : 0;
}
