// The front end of bloodseg_lib.panel.widgets.Downloads: a button a file. The bytes come from the kernel when they are asked for.
// Traits: files [{name, words}].

function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "bloodseg-downloads";
  el.appendChild(list);

  function draw() {
    list.replaceChildren();
    for (const { name, words } of model.get("files")) {
      const button = document.createElement("button");
      button.className = "jupyter-button widget-button";
      button.textContent = words;
      button.title = name;
      button.setAttribute("aria-label", `Download ${words}, ${name}`);
      button.addEventListener("click", () => model.send({ name }));
      list.appendChild(button);
    }
  }

  function save({ name, type }, buffers) {
    const url = URL.createObjectURL(new Blob([buffers[0]], { type }));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    list.appendChild(link); // some browsers follow only links that are part of the page
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  model.on("change:files", draw);
  model.on("msg:custom", save);
  draw();
  return () => model.off("msg:custom", save);
}

export default { render };
