// The front end of bloodseg_lib.panel.widgets.CellPicture: a picture whose cells answer to the pointer and to the keyboard.
// Traits: picture (PNG), size [width, height] in pixels of the image, cells [{number, box, centre, colour, words, mark}], selected, alt, zoom.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, parent = null, namespace = null) {
  const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.appendChild(made);
  return made;
}

// Of the cells whose box holds the point, the one whose middle is nearest, measured in its own size: boxes of neighbours overlap.
function cellAt(cells, x, y) {
  let best = null;
  let least = Infinity;
  for (const cell of cells) {
    const [left, top, width, height] = cell.box;
    if (x < left || y < top || x >= left + width || y >= top + height) continue;
    const distance = Math.hypot((x - cell.centre[0]) / width, (y - cell.centre[1]) / height);
    if (distance < least) [best, least] = [cell, distance];
  }
  return best;
}

// The nearest cell to the right, left, below or above: straight ahead counts once, to the side twice.
function neighbour(cells, from, dx, dy) {
  let best = null;
  let least = Infinity;
  for (const cell of cells) {
    const x = cell.centre[0] - from.centre[0];
    const y = cell.centre[1] - from.centre[1];
    const ahead = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (cell === from || ahead <= 0 || aside > 2 * ahead) continue;
    const distance = ahead + 2 * aside;
    if (distance < least) [best, least] = [cell, distance];
  }
  return best;
}

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

// JupyterLab has shortcuts on bare keys: m makes a notebook cell Markdown, d d deletes it, arrows leave it. A key pressed
// anywhere in the panel stays in the panel; those with Ctrl, Alt or Cmd pass. The panel is known once el is part of the page.
function keepKeys(el) {
  const stop = (event) => {
    if (!event.ctrlKey && !event.altKey && !event.metaKey) event.stopPropagation();
  };
  let panel = null;
  const placed = new ResizeObserver(() => {
    panel = el.closest(".bloodseg-panel") ?? el;
    panel.addEventListener("keydown", stop);
    placed.disconnect();
  });
  placed.observe(el);
  return () => {
    placed.disconnect();
    panel?.removeEventListener("keydown", stop);
  };
}

function render({ model, el }) {
  const frame = element("div", { class: "bloodseg-picture", tabindex: "0", role: "application" }, el);
  const stage = element("div", { class: "bloodseg-stage" }, frame);
  const image = element("img", { draggable: "false" }, stage);
  const marks = element("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, stage, SVG);
  const label = element("div", { class: "bloodseg-label", "aria-hidden": "true" }, el);
  const spoken = element("div", { class: "bloodseg-spoken", "aria-live": "polite" }, el);
  let hovered = null;
  let url = null;

  const cells = () => model.get("cells");
  const selected = () => cells().find((cell) => cell.number === model.get("selected")) ?? null;

  function outline(cell, name) {
    const [x, y, width, height] = cell.box;
    for (const layer of ["under", "over"]) {
      const style = { x, y, width, height, class: `${name} ${layer}`, "vector-effect": "non-scaling-stroke" };
      const drawn = element("rect", style, marks, SVG);
      if (name === "changed" && layer === "over") drawn.style.stroke = cell.colour;
    }
    if (cell.mark === "deleted" && name !== "hovered") {
      for (const [y1, y2] of [[y, y + height], [y + height, y]]) {
        element("line", { x1: x, y1, x2: x + width, y2, class: "deleted", "vector-effect": "non-scaling-stroke" }, marks, SVG);
      }
    }
  }

  function mark() {
    marks.replaceChildren();
    for (const cell of cells()) if (cell.mark) outline(cell, "changed");
    if (hovered) outline(hovered, "hovered");
    if (selected()) outline(selected(), "selected");
  }

  function load() {
    if (url) URL.revokeObjectURL(url);
    const data = model.get("picture");
    frame.hidden = !data.byteLength;
    url = data.byteLength ? URL.createObjectURL(new Blob([data], { type: "image/png" })) : null;
    if (url) image.src = url;
  }

  function describe() {
    const [width, height] = model.get("size");
    marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
    image.alt = model.get("alt");
    frame.setAttribute("aria-label", `${model.get("alt")}. The arrow keys go from cell to cell, Escape leaves the cell.`);
    stage.style.width = `${100 * model.get("zoom")}%`;
    stage.style.aspectRatio = `${width} / ${height}`;
  }

  function reveal() {
    const cell = selected();
    spoken.textContent = cell ? cell.words : "";
    if (!cell) return;
    const ratio = stage.clientWidth / model.get("size")[0];
    const [x, y] = cell.centre.map((value) => value * ratio);
    const outside = x < frame.scrollLeft || x > frame.scrollLeft + frame.clientWidth || y < frame.scrollTop || y > frame.scrollTop + frame.clientHeight;
    if (outside) frame.scrollTo(x - frame.clientWidth / 2, y - frame.clientHeight / 2);
  }

  function choose(cell) {
    model.set("selected", cell ? cell.number : 0);
    model.save_changes();
  }

  function under(event) {
    const bounds = stage.getBoundingClientRect();
    const [width, height] = model.get("size");
    return cellAt(cells(), ((event.clientX - bounds.left) / bounds.width) * width, ((event.clientY - bounds.top) / bounds.height) * height);
  }

  stage.addEventListener("click", (event) => choose(under(event)));
  stage.addEventListener("pointermove", (event) => {
    const cell = under(event);
    if (cell !== hovered) {
      hovered = cell;
      mark();
    }
    label.textContent = cell ? cell.words : "";
    label.style.display = cell ? "block" : "none";
    const bounds = el.getBoundingClientRect();
    const left = event.clientX - bounds.left;
    label.style.left = left > bounds.width / 2 ? "" : `${left + 14}px`;
    label.style.right = left > bounds.width / 2 ? `${bounds.width - left + 14}px` : "";
    label.style.top = `${event.clientY - bounds.top + 14}px`;
  });
  stage.addEventListener("pointerleave", () => {
    hovered = null;
    label.style.display = "none";
    mark();
  });
  frame.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Escape") return choose(null);
    const from = selected();
    const next = from ? neighbour(cells(), from, ...arrow) : cells()[0];
    if (next) choose(next);
  });

  const refresh = () => {
    hovered = null;
    label.style.display = "none";
    describe();
    mark();
  };
  model.on("change:picture", load);
  model.on("change:cells", refresh);
  model.on("change:size", refresh);
  model.on("change:alt", describe);
  model.on("change:zoom", describe);
  model.on("change:selected", () => {
    mark();
    reveal();
  });
  load();
  refresh();
  const release = keepKeys(el);
  return () => {
    release();
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
