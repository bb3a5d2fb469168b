// The front end of bloodseg_lib.panel.widgets.Upload: a button, and a place to drop a file on. Files go to the kernel in pieces, a
// few of them at once: Jupyter's server cuts the connection at messages above 10 MB, without a word, and waiting for each answer takes most of the time.
// Traits: words, hint, accept.

const PIECE = 2 ** 21;
const AHEAD = 4; // pieces on the way at once

function element(name, attributes, parent) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.appendChild(made);
  return made;
}

function render({ model, el }) {
  const zone = element("div", { class: "bloodseg-upload" }, el);
  const button = element("button", { class: "jupyter-button widget-button", title: model.get("hint") }, zone);
  const input = element("input", { type: "file", accept: model.get("accept"), hidden: "", multiple: "" }, zone);
  const note = element("span", { role: "status" }, zone);
  button.textContent = model.get("words");
  note.textContent = "or drop some here";
  const waiting = [];
  let file = null;
  let [sent, arrived, sending] = [0, 0, false];

  function next() {
    file = waiting.shift() ?? null;
    [sent, arrived] = [0, 0];
    note.textContent = "or drop some here";
    if (file) send();
  }

  async function send() {
    note.textContent = `${file.name}: ${Math.round((100 * arrived) / (file.size || 1))} % sent`;
    if (sending) return;
    sending = true;
    while (file && (sent === 0 || sent < file.size) && sent < arrived + AHEAD * PIECE) {
      const [mine, start] = [file, sent];
      try {
        const piece = await mine.slice(start, start + PIECE).arrayBuffer();
        if (mine !== file) continue;
        sent = start + Math.max(1, piece.byteLength);
        model.send({ name: mine.name, size: mine.size, start }, undefined, [piece]);
      } catch (error) {
        model.send({ name: mine.name, error: String(error) });
        next();
      }
    }
    sending = false;
  }

  function begin(chosen) {
    waiting.push(...chosen);
    if (!file) next();
  }

  function received(message) {
    if (message.name !== file?.name) return;
    arrived = message.received;
    message.failed || arrived >= file.size ? next() : send();
  }
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    begin(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation();
      zone.classList.toggle("bloodseg-over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") begin(event.dataTransfer.files);
    });
  }
  model.on("msg:custom", received);
  return () => model.off("msg:custom", received);
}

export default { render };
