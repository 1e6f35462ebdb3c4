// Where Gradio's page meets the editor: values in, corrections out. The only module that knows either.

import { Editor } from "./editor.js";

/** Buttons that work on what is kept wait until the server has the last correction. */
const WORKS_ON = ".pp-needs-saved button, button.pp-needs-saved";
/** So do those that bring another answer or picture, for what is not kept by then never is. */
const LEAVES = "button.pp-needs-picture, .pp-needs-picture button, #pp-each, #pp-pick, #pp-cut button, " +
  "#pp-left-behind button, #pp-gallery button, #pp-compose, #pp-fetch";

let editor = null;
let looks = null;

/** Called once by ui/editor.py: `props` and `watch` are the component's, `send` posts a correction. */
export function mount(element, props, watch, send) {
  const root = element.querySelector(".pp-ed");
  const host = document.querySelector("#pp-found .pp-ed-table");
  if (!host) return setTimeout(() => mount(element, props, watch, send), 50); // Gradio has not drawn it yet
  editor = root.editor = new Editor(root, host, send);
  if (looks) editor.setLooks(looks);
  const load = () => editor.load(unpacked(props.value));
  watch("value", load);
  load();
}

/** The scene as ui/components.py packs it. Its own from here on: Gradio patches values in place when the next one comes. */
function unpacked(value) {
  if (!value) return null;
  const scene = JSON.parse(value.scene);
  scene.picture.file = { ...value.file };
  return scene;
}

/** What became of a correction: {sequence, ok, said}. */
export function receipt(answer) {
  editor?.sync.receipt(answer);
  if (answer?.ok) document.dispatchEvent(new CustomEvent("pinpoint:kept"));
}

document.addEventListener("pinpoint:looks", ({ detail }) => {
  looks = detail;
  editor?.setLooks(looks);
});

// On the window: before the page's own script, which begins to wait for a picture with the click it sees.
window.addEventListener("click", async (event) => {
  const button = event.target.closest?.(`${WORKS_ON}, ${LEAVES}`);
  if (!button || !editor?.sync.pending) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await (button.matches(WORKS_ON) ? editor.sync.flush() : editor.sync.leave())) button.click();
}, true);

/** Enter in a prompt asks as its button does; what is held back for quiet goes ahead of it. */
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("input, textarea") && editor?.sync.pending) editor.sync.flush();
}, true);
