/* Puts a live explorer in place of each still picture with this id; a picture whose explorer fails stays. */
function upgrade(id, state, render) {
  for (const figure of document.querySelectorAll(`[id="${id}"]:not([data-live])`)) {
    figure.dataset.live = "yes";
    const still = [...figure.childNodes];
    const own = structuredClone(state);
    const model = { get: (name) => own[name], set: (name, value) => void (own[name] = value) };
    const el = document.createElement("div");
    el.className = "mdx";
    el.addEventListener("keydown", keepFromHost);
    figure.replaceChildren(el);
    try {
      render({ model, el });
    } catch (error) {
      figure.replaceChildren(...still);
      figure.dataset.live = "failed";
      console.error(error);
    }
  }
}

/* JupyterLab and slides read plain keys as commands (d d deletes a cell); Shift+Enter and Ctrl+S still reach them. */
function keepFromHost(event) {
  const command = event.ctrlKey || event.metaKey || (event.shiftKey && event.key === "Enter");
  if (!command && event.key !== "Escape") event.stopPropagation();
}
