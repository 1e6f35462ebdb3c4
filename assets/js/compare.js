// The comparison's own listening: ticks, what is looked at, and taking. Run by Gradio with `element` and `trigger`.
let ticked = new Set();
let number = "";

document.querySelector("#pp-cmp-status")?.setAttribute("aria-live", "polite"); // Gradio keeps the element, not its content

const board = () => element.querySelector(".pp-cmp");
const boxes = () => [...element.querySelectorAll("[data-pick]")];

const count = () => {
  const use = element.querySelector("[data-use]");
  if (!use) return;
  const chosen = boxes().filter((box) => box.checked).length;
  if (use.disabled !== !chosen) use.disabled = !chosen; // written only where it changes, or the observer below sees it
  const words = chosen ? `Use ${chosen} on the Picture page` : "Use on the Picture page";
  if (use.textContent !== words) use.textContent = words;
};
const keep = () => {
  ticked = new Set(boxes().filter((box) => box.checked).map((box) => box.dataset.pick));
  count();
};

// Matched anew at another IoU, the same objects stay ticked; of another question nothing is.
const restore = () => {
  const now = board()?.dataset.number;
  if (now === undefined) return; // emptied, to be filled again
  if (now !== number) ticked = new Set();
  number = now;
  for (const box of boxes()) box.checked = ticked.has(box.dataset.pick);
  count();
};
// Gradio patches what is there, so that a box may be about another object than before, with the old one's tick.
const changes = { childList: true, characterData: true, attributeFilter: ["data-pick", "data-number", "disabled"] };
new MutationObserver(restore).observe(element, { subtree: true, ...changes });
restore();

// One object has two boxes to choose from: ticking one lets go of the other.
element.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-pick]")) return;
  if (target.checked) {
    for (const other of target.closest("tr").querySelectorAll("[data-pick]")) other.checked = other === target;
  }
  keep();
});

const TAKES = {
  all: () => true,
  none: () => false,
  most: (box) => "most" in box.closest("tr").dataset,
  both: (box) => "both" in box.closest("tr").dataset && box.dataset.pick.startsWith("0:"),
};
element.addEventListener("click", (event) => {
  const take = event.target.closest("[data-take]")?.dataset.take;
  if (take) {
    const wanted = TAKES[take] ?? ((box) => box.dataset.pick.startsWith(`${take}:`));
    for (const box of boxes()) box.checked = wanted(box);
    keep();
  }
  if (event.target.closest("[data-use]")) {
    const picks = boxes().filter((box) => box.checked).map((box) => box.dataset.pick.split(":").map(Number));
    trigger("select", { number, picks });
  }
});

// What a row is about is lit up in both pictures, and the other way round.
const look = (row) => {
  for (const each of element.querySelectorAll("[data-row]")) each.classList.toggle("pp-lit", each.dataset.row === row);
};
for (const [kind, on] of [["pointerover", true], ["focusin", true], ["pointerleave", false], ["focusout", false]]) {
  element.addEventListener(kind, ({ target }) => look(on ? target.closest?.("[data-row]")?.dataset.row : undefined));
}
