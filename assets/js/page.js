() => {
  // Screen readers announce what happens in the status line; gradio replaces its content, never the element itself.
  const announce = () => {
    const status = document.querySelector("#pp-status");
    if (!status) return setTimeout(announce, 100);
    status.setAttribute("aria-live", "polite");
  };
  announce();
}
