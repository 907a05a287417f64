// The link to this call: to copy, and as a QR code that is drawn here.

/** @param {string} link */
export function showLink(link) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById("link"));
  const copy = /** @type {HTMLButtonElement} */ (document.getElementById("copy"));
  field.value = link;
  field.addEventListener("focus", () => field.select());
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link);
      copy.textContent = "Copied";
    } catch {
      field.select();
      copy.textContent = "Press Ctrl+C";
    }
    setTimeout(() => {
      copy.textContent = "Copy link";
    }, 2000);
  });
}

/** @param {string} link @param {string} runtime the QR encoder's folder */
export async function drawCode(link, runtime) {
  const { encode } = await import(`${runtime}uqr.mjs`);
  /** @type {{ data: boolean[][], size: number }} */
  const { data, size } = encode(link, { ecc: "M", border: 1 });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const squares = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
  path.setAttribute("d", squares.join(""));
  path.setAttribute("fill", "#000");
  svg.append(path);
  document.getElementById("qr")?.replaceChildren(svg);
}
