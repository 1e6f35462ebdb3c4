// Where Gradio's page meets the editor: values in, corrections out. The only module that knows either.

import { Editor } from "./editor.js";

/** Buttons that write files wait until the server has the last correction. */
const WAITING = ".pp-needs-saved button, button.pp-needs-saved";

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
}

document.addEventListener("pinpoint:looks", ({ detail }) => {
  looks = detail;
  editor?.setLooks(looks);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.(WAITING);
  if (!button || !editor?.sync.pending) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await editor.sync.flush()) button.click();
}, true);
