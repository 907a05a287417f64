// The call's numbers as text, and two meters: how good the call is, and how far the picture is supported by what was sent.

/** @type {Record<string, (value: number) => string>} */
const FORMAT = {
  bpp: (value) => value.toFixed(5),
  up: (value) => value.toFixed(1),
  down: (value) => value.toFixed(1),
  fps: (value) => value.toFixed(1),
  drawn: (value) => value.toFixed(1),
  delay: (value) => value.toFixed(0),
  browser: (value) => value.toFixed(0),
  draw: (value) => value.toFixed(0),
  loss: (value) => (100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0),
  consistency: (value) => value.toFixed(1),
};
const GRADES = ["–", "poor", "fair", "good"];
/**
 * What each must be at least (loss and delay: at most) for a fair and for a good call.
 * @type {Record<string, [number, number]>}
 */
export const LIMITS = { fps: [8, 20], drawn: [3, 8], delay: [800, 450], loss: [0.15, 0.04] };

/**
 * Write numbers into the elements with `data-stat`; null shows as –. The meter shows `worstConsistency`, the lowest consistency, if
 * it is given. `alone`: nobody else is there, so that the call is neither good nor bad.
 * @param {Record<string, unknown>} numbers
 */
export function showNumbers(numbers, limits = LIMITS) {
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-stat]"))) {
    const value = numbers[cell.dataset.stat ?? ""];
    const known = typeof value === "number";
    /** @type {(string | Node)[]} */
    const parts = [known ? FORMAT[cell.dataset.stat ?? ""](value) : "–"];
    if (known && cell.dataset.unit) {
      const unit = document.createElement("span");
      unit.className = "unit";
      unit.textContent = cell.dataset.unit;
      parts.push(unit);
    }
    cell.replaceChildren(...parts);
  }
  const meter = (/** @type {string} */ id) => /** @type {HTMLMeterElement} */ (document.getElementById(id));
  const lowest = "worstConsistency" in numbers ? numbers.worstConsistency : numbers.consistency;
  meter("consistency").value = typeof lowest === "number" ? lowest : 0;
  const grade = numbers.alone ? 0 : quality(numbers, limits);
  meter("quality").value = grade;
  /** @type {HTMLElement} */ (document.getElementById("grade")).textContent = GRADES[grade];
}

/** 0 (nothing known) to 3: the worst of what is known. @param {Record<string, unknown>} numbers @param {typeof LIMITS} limits */
function quality(numbers, limits) {
  const grades = Object.entries(limits).flatMap(([name, [fair, good]]) => {
    const value = numbers[name];
    if (typeof value !== "number") return [];
    const enough = (/** @type {number} */ limit) => (good > fair ? value >= limit : value <= limit);
    return [enough(good) ? 3 : enough(fair) ? 2 : 1];
  });
  return grades.length ? Math.min(...grades) : 0;
}
