// The front end of bloodseg_lib.panel.widgets.Upload: a button, and a place to drop a file on. The file goes to the kernel in pieces, each sent when the
// one before has arrived: Jupyter's server cuts the connection at messages above 10 MB, without a word.
// Traits: words, hint, accept.

const PIECE = 2 ** 20;

function element(name, attributes, parent) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.appendChild(made);
  return made;
}

function render({ model, el }) {
  const zone = element("div", { class: "bloodseg-upload" }, el);
  const button = element("button", { class: "jupyter-button widget-button", title: model.get("hint") }, zone);
  const input = element("input", { type: "file", accept: model.get("accept"), hidden: "" }, zone);
  const note = element("span", { role: "status" }, zone);
  button.textContent = model.get("words");
  note.textContent = "or drop one here";
  let file = null;

  async function send(start) {
    if (!file || start >= file.size) {
      if (file) note.textContent = "or drop one here";
      file = null;
      return;
    }
    note.textContent = `${Math.round((100 * start) / file.size)} % sent`;
    try {
      const piece = await file.slice(start, start + PIECE).arrayBuffer();
      model.send({ name: file.name, size: file.size, start }, undefined, [piece]);
    } catch (error) {
      model.send({ name: file.name, error: String(error) });
      file = null;
    }
  }

  function begin(chosen) {
    if (!chosen) return;
    file = chosen;
    if (file.size) send(0);
    else model.send({ name: file.name, size: 0, start: 0 }, undefined, [new ArrayBuffer(0)]);
  }

  const received = (message) => send(message.received);
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    begin(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation();
      zone.classList.toggle("bloodseg-over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") begin(event.dataTransfer.files[0]);
    });
  }
  model.on("msg:custom", received);
  return () => model.off("msg:custom", received);
}

export default { render };
