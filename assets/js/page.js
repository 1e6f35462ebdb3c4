() => {
  // What Gradio's own components leave open: keys, announcements, files its picture field will not take, and waiting
  // for a picture that is still on its way. Knows elements by their ids, set in ui/.
  const MAX_BYTES = 50_000_000; // grounding.images.MAX_BYTES
  const ASKS = "button.pp-needs-picture, .pp-needs-picture button";
  const BRINGS = "#pp-gallery button, #pp-compose, #pp-fetch";
  // Screen readers announce what happens in these; gradio replaces their content, never the elements themselves.
  const SAYS = "#pp-status, #pp-project-said, #pp-member-said, #pp-album-said, #pp-batch-told, #pp-batch-put-said";
  const LONGEST_WAIT_MS = 20_000; // for a picture on its way
  const PROMPT_WAIT_MS = 150; // the prompt comes with the picture
  const $ = (selector) => document.querySelector(selector);

  document.addEventListener("keydown", moveBetweenTabs);
  document.addEventListener("click", pressInside);
  let coming = null; // a promise of the picture that is on its way
  document.addEventListener("click", askOnceThere, true);
  for (const kind of ["drop", "paste"]) document.addEventListener(kind, takeGiven, true);
  document.addEventListener("change", takeChosen, true);
  for (const kind of ["drop", "change"]) document.addEventListener(kind, weighBatch, true);
  new MutationObserver(amend).observe(document.body, { childList: true, subtree: true });
  amend();

  // Whatever came newly into the page: a tab's content does with its first visit.
  function amend() {
    widenChoosers();
    for (const each of document.querySelectorAll(SAYS)) if (!each.hasAttribute("aria-live")) each.setAttribute("aria-live", "polite");
  }

  // Tabs by arrow keys, as screen readers say they work.
  function moveBetweenTabs(event) {
    const tab = event.target.closest?.('#pp-pages [role="tab"]');
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!tab || !step) return;
    const tabs = [...tab.parentElement.querySelectorAll('[role="tab"]')].filter((each) => each.offsetParent);
    const place = tabs.indexOf(tab);
    const next = Number.isFinite(step) ? (place + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
    event.preventDefault();
    tabs[next].focus();
    tabs[next].click();
  }

  // Buttons inside what the server writes.
  function pressInside(event) {
    const act = (name) => event.target.closest?.(`[data-pp-${name}]`);
    if (act("open")) unfold(act("open").dataset.ppOpen);
    if (act("page")) document.dispatchEvent(new CustomEvent("pinpoint:page", { detail: act("page").dataset.ppPage - 1 }));
    if (act("again")) [...document.querySelectorAll(ASKS)].find((button) => button.offsetParent)?.click();
  }

  function unfold(id) {
    const head = document.getElementById(id)?.querySelector("button");
    if (!head) return;
    if (head.getAttribute("aria-expanded") === "false" || !head.classList.contains("open")) head.click();
    head.scrollIntoView({ behavior: "smooth", block: "center" });
    head.focus();
  }

  // A picture on its way: pressing Ask waits for it. Gradio would ask about the one before.
  function askOnceThere(event) {
    if (event.target.closest?.(BRINGS)) return void awaitPicture();
    const ask = event.target.closest?.(ASKS);
    if (!ask || !coming) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    coming.then(() => ask.click());
  }

  function awaitPicture() {
    const came = () => $("#pp-current [data-came]")?.dataset.came; // other than before once a picture, or a refusal, is there
    const before = came();
    coming = new Promise((arrived) => {
      const watcher = new MutationObserver(() => came() !== before && done());
      const done = () => {
        watcher.disconnect();
        clearTimeout(timer);
        setTimeout(() => { coming = null; arrived(); }, PROMPT_WAIT_MS);
      };
      const timer = setTimeout(done, LONGEST_WAIT_MS);
      watcher.observe($("#pp-current"), { childList: true, subtree: true, attributes: true });
    });
  }

  // Files: one picture goes to Gradio's field; several, PDFs, clips and anything odd to ours, which says what is wrong.
  function takeGiven(event) {
    if (!event.target.closest?.("#pp-drop")) return;
    divert(event, [...((event.dataTransfer ?? event.clipboardData)?.files ?? [])]);
  }

  function takeChosen(event) {
    if (!event.target.matches?.("#pp-drop input[type=file]")) return;
    divert(event, [...event.target.files]);
    if (event.defaultPrevented) event.target.value = "";
  }

  function divert(event, files) {
    if (!isOdd(files)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    handOver(files);
  }

  function isOdd(files) {
    const plain = (file) => /^image\/(?!svg)/.test(file.type);
    return files.length > 1 || (files.length === 1 && (!plain(files[0]) || files[0].size > MAX_BYTES));
  }

  function handOver(files) {
    const heavy = files.find((file) => file.size > MAX_BYTES);
    if (heavy) return void say(`“${heavy.name.slice(0, 60)}” is larger than 50 MB. Make it smaller, or split it, and give it again.`);
    const input = $("#pp-files input[type=file]");
    if (!input) return void say("This file could not be taken in. Reload the page and try again.");
    const bag = new DataTransfer();
    files.forEach((file) => bag.items.add(file));
    input.files = bag.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // The Batch page's files: more than the page takes at once are refused here, where it can be said what to do.
  function weighBatch(event) {
    const place = event.target.closest?.("#pp-batch-files");
    if (!place) return;
    place.parentElement.querySelectorAll(".pp-problem").forEach((old) => old.remove());
    const files = [...(event.dataTransfer?.files ?? event.target.files ?? [])];
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (bytes <= MAX_BYTES) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type === "change") event.target.value = "";
    const words = `That is ${Math.ceil(bytes / 1e6)} MB; 50 MB at once is the limit. Give fewer, or smaller ones.`;
    place.insertAdjacentElement("afterend", problem(words));
  }

  function problem(words) {
    const trouble = Object.assign(document.createElement("p"), { className: "pp-problem", textContent: words });
    trouble.setAttribute("role", "alert");
    return trouble;
  }

  function say(words) {
    $("#pp-current").querySelectorAll(".pp-problem").forEach((old) => old.remove());
    ($("#pp-current .pp-current") ?? $("#pp-current")).insertAdjacentElement("afterend", problem(words));
  }

  // Its chooser offers PDFs, clips and several files too.
  function widenChoosers() {
    for (const each of document.querySelectorAll("#pp-files :is(button, input)")) each.tabIndex = -1; // not for people
    for (const input of document.querySelectorAll("#pp-drop input[type=file]")) {
      if (input.accept.includes("pdf")) continue;
      input.accept = `${input.accept || "image/*"},application/pdf,video/*`;
      input.multiple = true;
    }
  }
}
