// The front end of bloodseg_lib.panel.widgets.CellPicture: a picture that is zoomed and moved like a map, and whose cells answer to the pointer and to
// the keyboard. Traits: picture and map (PNG), size [width, height] in pixels of the image, cells [{number, box, centre, class, words, mark}],
// colours [[r, g, b]] by class, shown [class], mode, opacity, outlines, pixel_um, selected, chosen, alt, controls [model_id].

const SVG = "http://www.w3.org/2000/svg";
const MOST_ZOOM = 16; // screen pixels for a pixel of the image
const DRAG_PX = 4; // less is a click
const MINIMAP_PX = 140; // its longer side
const LEAST_FRAME_PX = 400; // in a narrower frame a minimap would cover the cells

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

// ipywidgets holds back a change of a control until the kernel is through with the change before, but no message and no press of a button:
// a press would overtake the change, and act on the cell that was chosen before. So what is held back is sent before the press.
async function sender(model) {
  const found = await Promise.allSettled(model.get("controls").map((id) => model.widget_manager.get_model(id)));
  const controls = found.flatMap(({ value }) => value ?? []);
  return () => {
    for (const control of controls) {
      if (!control._msg_buffer) continue;
      control.rememberLastUpdateFor(control.send_sync_message(control._msg_buffer, control._msg_buffer_callbacks));
      control._msg_buffer = null;
    }
  };
}

// JupyterLab has shortcuts on bare keys: m makes a notebook cell Markdown, d d deletes it, arrows leave it. A key pressed
// anywhere in the panel stays in the panel; those with Ctrl, Alt or Cmd pass. The panel is known once el is part of the page.
// In the picture, the list and the gallery (bloodseg-keys) the keys of corrections go to the kernel.
function keepKeys(el, model) {
  let sendHeld = () => {};
  sender(model).then((send) => (sendHeld = send));
  const pressed = () => sendHeld();
  const bare = (event) => !event.ctrlKey && !event.altKey && !event.metaKey;
  const stop = (event) => bare(event) && event.stopPropagation();
  const first = (event) => {
    if (!bare(event) || !/^([0-9uz]|Delete)$/i.test(event.key) || !event.target.closest(".bloodseg-keys")) return;
    event.preventDefault(); // a list would look for an entry that begins with it
    event.stopPropagation();
    sendHeld();
    model.send({ key: event.key });
  };
  // The boxes of the classes answer here, before the kernel has heard of it.
  const switched = (event) => {
    const boxes = [...panel.querySelectorAll(".bloodseg-classes input")];
    if (boxes.includes(event.target)) model.set("shown", boxes.flatMap((box, i) => (box.checked ? [i + 1] : [])));
  };
  // A field of the table is opened by its name.
  const opens = (event) => {
    const name = event.target.closest?.("[data-open]")?.dataset.open;
    if (name) model.send({ open: name });
  };
  let panel = null;
  const placed = new ResizeObserver(() => {
    panel = el.closest(".bloodseg-panel") ?? el;
    panel.addEventListener("change", switched);
    panel.addEventListener("click", pressed, true);
    panel.addEventListener("click", opens);
    panel.addEventListener("keydown", first, true);
    panel.addEventListener("keydown", stop);
    placed.disconnect();
  });
  placed.observe(el);
  return () => {
    placed.disconnect();
    panel?.removeEventListener("keydown", first, true);
    panel?.removeEventListener("keydown", stop);
    panel?.removeEventListener("click", pressed, true);
    panel?.removeEventListener("click", opens);
    panel?.removeEventListener("change", switched);
  };
}

async function pixelsOf(png) {
  const exact = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }), exact);
  const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

// Tint the pixels of a map onto a canvas. A pixel has the number of its cell in two bytes and the high bits of the third, its class in the low bits.
function tint(canvas, map, model) {
  const { width, height, data } = map;
  const mode = model.get("mode");
  const colours = model.get("colours");
  const shown = new Set(model.get("shown"));
  const classes = new Map(model.get("cells").map((cell) => [cell.number, cell.class]));
  const alpha = Math.round(255 * model.get("opacity"));
  const rims = model.get("outlines");
  const words = new Uint32Array(data.buffer);
  const identity = mode === "cells" ? 0xf0ffff : 0x0f0000; // little-endian: red is the low byte
  const made = new ImageData(width, height);
  const out = new Uint32Array(made.data.buffer); // little-endian: alpha is the high byte
  let last = -1;
  let colour = null;
  if (mode !== "none") {
    for (let i = 0; i < words.length; i++) {
      const own = words[i] & identity;
      if (!own) continue;
      if (own !== last) {
        last = own;
        const kind = mode === "cells" ? classes.get((own & 0xffff) | ((own >> 4) & 0xf0000)) : own >> 16;
        const [red, green, blue] = colours[kind] ?? [];
        const seen = kind > 0 && (kind >= colours.length - 1 || shown.has(kind));
        colour = seen ? (blue << 16) | (green << 8) | red : null;
      }
      if (colour === null) continue;
      const column = i % width;
      const rim =
        rims &&
        ((column > 0 && (words[i - 1] & identity) !== own) ||
          (column < width - 1 && (words[i + 1] & identity) !== own) ||
          (i >= width && (words[i - width] & identity) !== own) ||
          (i + width < words.length && (words[i + width] & identity) !== own));
      out[i] = colour | ((rim ? 255 : alpha) << 24);
    }
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(made, 0, 0);
}

function render({ model, el }) {
  const frame = element("div", { class: "bloodseg-picture bloodseg-keys", tabindex: "0", role: "application" }, el);
  const stage = element("div", { class: "bloodseg-stage" }, frame);
  const layers = ["whole", "tint", "detail", "detail-tint"].map((name) => element("canvas", { class: `bloodseg-${name}` }, stage));
  const marks = element("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, stage, SVG);
  const minimap = element("div", { class: "bloodseg-minimap", "aria-hidden": "true" }, frame); // keys move the view without it
  const miniature = element("canvas", {}, minimap);
  const inView = element("div", {}, minimap);
  const scaleBar = element("div", { class: "bloodseg-scale" }, frame);
  const label = element("div", { class: "bloodseg-label", "aria-hidden": "true" }, el);
  const spoken = element("div", { class: "bloodseg-spoken", "aria-live": "polite" }, el);
  const bar = element("div", { class: "bloodseg-bar-of-tools" }, el);
  const maps = [null, null]; // of the whole picture, of the detail
  let hovered = null;
  let view = { x: 0, y: 0, scale: 1 }; // left and top of the image in the frame, screen pixels for a pixel of the image
  let fitted = true;
  let part = null; // of the image that the detail shows
  let asking = null;
  let loads = 0;
  let decoded = {}; // the last picture

  const shown = () => {
    const classes = new Set(model.get("shown"));
    return model.get("cells").filter((cell) => cell.class < 0 || cell.class >= model.get("colours").length - 1 || classes.has(cell.class));
  };
  const selected = () => model.get("cells").find((cell) => cell.number === model.get("selected")) ?? null;
  const fitScale = () => Math.min(frame.clientWidth / model.get("size")[0], frame.clientHeight / model.get("size")[1]);

  function outline(cell, name) {
    const [x, y, width, height] = cell.box;
    for (const layer of ["under", "over"]) {
      const style = { x, y, width, height, class: `${name} ${layer}`, "vector-effect": "non-scaling-stroke" };
      element("rect", style, marks, SVG);
    }
    if (cell.mark === "deleted" && name !== "hovered") {
      for (const [y1, y2] of [[y, y + height], [y + height, y]]) {
        element("line", { x1: x, y1, x2: x + width, y2, class: "deleted", "vector-effect": "non-scaling-stroke" }, marks, SVG);
      }
    }
  }

  function mark() {
    marks.replaceChildren();
    const chosen = new Set(model.get("chosen"));
    for (const cell of shown()) if (cell.mark) outline(cell, "changed");
    if (hovered) outline(hovered, "hovered");
    for (const cell of model.get("cells")) if (chosen.has(cell.number) || cell === selected()) outline(cell, "selected");
  }

  function paint() {
    maps.forEach((map, i) => map && tint(layers[2 * i + 1], map, model));
    if (!maps[1]) return;
    // beneath the detail the tint of the whole would show twice
    const [sx, sy] = [0, 1].map((i) => [layers[1].width, layers[1].height][i] / model.get("size")[i]);
    layers[1].getContext("2d").clearRect(part[0] * sx, part[1] * sy, part[2] * sx, part[3] * sy);
  }

  // The part of the image in the frame, sharper than the picture of the whole: asked for when the view has come to rest.
  function ask() {
    clearTimeout(asking);
    asking = setTimeout(() => {
      const [width, height] = model.get("size");
      const coarse = layers[0].width / width;
      if (Math.min(1, view.scale * devicePixelRatio) < 1.2 * coarse || model.get("mode") === "none") return;
      const left = Math.max(0, Math.floor(-view.x / view.scale));
      const top = Math.max(0, Math.floor(-view.y / view.scale));
      const right = Math.min(width, Math.ceil((frame.clientWidth - view.x) / view.scale));
      const bottom = Math.min(height, Math.ceil((frame.clientHeight - view.y) / view.scale));
      const fine = Math.min(1, view.scale * devicePixelRatio);
      const size = [right - left, bottom - top].map((side) => Math.max(1, Math.round(side * fine)));
      if (right > left && bottom > top) model.send({ part: [left, top, right - left, bottom - top], size });
    }, 120);
  }

  function place() {
    const [width, height] = model.get("size");
    const least = Math.min(1, fitScale());
    view.scale = Math.min(Math.max(view.scale, Math.min(least, fitScale())), Math.max(MOST_ZOOM, fitScale()));
    for (const [axis, room, side] of [["x", frame.clientWidth, width], ["y", frame.clientHeight, height]]) {
      const spare = room - side * view.scale;
      view[axis] = spare >= 0 ? spare / 2 : Math.min(0, Math.max(spare, view[axis]));
    }
    Object.assign(stage.style, { left: `${view.x}px`, top: `${view.y}px`, width: `${width * view.scale}px`, height: `${height * view.scale}px` });
    const sides = [[view.x, frame.clientWidth, width * view.scale], [view.y, frame.clientHeight, height * view.scale]];
    const [x, y, w, h] = [...sides.map(([start, , side]) => Math.max(0, -start / side)), ...sides.map(([, room, side]) => Math.min(1, room / side))];
    Object.assign(inView.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * w}%`, height: `${100 * h}%` });
    minimap.hidden = frame.clientWidth < LEAST_FRAME_PX || w * h > 0.95; // where all is in view it says nothing
    measure();
    ask();
  }

  // The longest of 1, 2, 5, 10, 20 ... micrometres that takes a third of the frame at most.
  function measure() {
    const wide = view.scale / model.get("pixel_um"); // screen pixels for a micrometre
    const most = frame.clientWidth / 3 / wide;
    const step = 10 ** Math.floor(Math.log10(most));
    const length = step * [5, 2, 1].find((times) => times * step <= most);
    scaleBar.hidden = !(length > 0); // it is not known
    scaleBar.style.width = `${length * wide}px`;
    scaleBar.textContent = `${length} \u00b5m`;
  }

  function move(dx, dy) {
    view.x += dx;
    view.y += dy;
    hide();
    place();
  }

  // A press or a drag on the minimap brings the place beneath the pointer to the middle.
  function moveTo(event) {
    const bounds = minimap.getBoundingClientRect();
    const [x, y] = [(event.clientX - bounds.left) / bounds.width, (event.clientY - bounds.top) / bounds.height];
    const [width, height] = model.get("size").map((side) => side * view.scale);
    move(frame.clientWidth / 2 - x * width - view.x, frame.clientHeight / 2 - y * height - view.y);
  }

  function shrink(bitmap) {
    const ratio = MINIMAP_PX / Math.max(bitmap.width, bitmap.height);
    [miniature.width, miniature.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * ratio)));
    const context = miniature.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, miniature.width, miniature.height);
  }

  function fit() {
    fitted = true;
    const [width, height] = model.get("size");
    if (!document.fullscreenElement) frame.style.height = `${Math.min(720, (frame.clientWidth * height) / width)}px`;
    view = { x: 0, y: 0, scale: fitScale() };
    place();
  }

  function zoomAt(factor, x = frame.clientWidth / 2, y = frame.clientHeight / 2) {
    const before = view.scale;
    const scale = Math.min(Math.max(before * factor, fitScale()), MOST_ZOOM);
    fitted = scale <= fitScale();
    view = { scale, x: x - ((x - view.x) * scale) / before, y: y - ((y - view.y) * scale) / before };
    hide();
    place();
  }

  function hide() {
    hovered = null;
    label.style.display = "none";
  }

  async function load() {
    const turn = ++loads;
    const [picture, map] = [model.get("picture"), model.get("map")];
    frame.hidden = bar.hidden = !picture.byteLength;
    if (!picture.byteLength) return;
    await null; // picture and map change together, and are decoded once
    if (turn !== loads) return;
    if (decoded.picture !== picture) decoded = { picture, bitmap: createImageBitmap(new Blob([picture])) };
    const [bitmap, pixels] = await Promise.all([decoded.bitmap, map.byteLength ? pixelsOf(map) : null]);
    if (turn !== loads) return;
    [layers[0].width, layers[0].height] = [bitmap.width, bitmap.height];
    layers[0].getContext("2d").drawImage(bitmap, 0, 0);
    shrink(bitmap);
    for (const layer of layers.slice(1)) layer.width = 0;
    [maps[0], maps[1]] = [pixels, null];
    paint();
    frame.dataset.drawn = turn;
    fitted ? fit() : place();
  }

  async function detail(message, buffers) {
    const turn = loads;
    if (!message.part) return;
    const [bitmap, pixels] = await Promise.all([createImageBitmap(new Blob([buffers[0]])), pixelsOf(buffers[1])]);
    if (turn !== loads) return;
    [layers[2].width, layers[2].height] = [bitmap.width, bitmap.height];
    layers[2].getContext("2d").drawImage(bitmap, 0, 0);
    part = message.part;
    const [width, height] = model.get("size");
    const percent = [part[0] / width, part[1] / height, part[2] / width, part[3] / height].map((value) => `${100 * value}%`);
    for (const layer of layers.slice(2)) [layer.style.left, layer.style.top, layer.style.width, layer.style.height] = percent;
    maps[1] = pixels;
    paint();
    frame.dataset.detail = part.join(" ");
  }

  function describe() {
    const [width, height] = model.get("size");
    marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
    frame.setAttribute(
      "aria-label",
      `${model.get("alt")}. The arrow keys go from cell to cell, with Shift they move the picture, 1 to 9 give the class, 0 unidentified, Delete removes, U and Z undo and redo, plus and minus zoom.`,
    );
  }

  function reveal() {
    const cell = selected();
    spoken.textContent = cell ? cell.words : "";
    if (!cell) return;
    const [x, y] = [view.x + cell.centre[0] * view.scale, view.y + cell.centre[1] * view.scale];
    if (x >= 0 && y >= 0 && x <= frame.clientWidth && y <= frame.clientHeight) return;
    view.x += frame.clientWidth / 2 - x;
    view.y += frame.clientHeight / 2 - y;
    place();
  }

  // With Ctrl, Cmd or Shift a cell is added to those that are chosen, or taken from them.
  function choose(cell, more = false) {
    const number = cell ? cell.number : 0;
    const before = model.get("chosen");
    const others = before.filter((n) => n !== number);
    const chosen = more ? (others.length < before.length ? others : [...before, number]) : number ? [number] : [];
    model.set("chosen", chosen);
    model.set("selected", more ? (chosen.at(-1) ?? 0) : number);
    model.save_changes();
  }

  function at(event) {
    const bounds = frame.getBoundingClientRect();
    return [event.clientX - bounds.left - frame.clientLeft, event.clientY - bounds.top - frame.clientTop];
  }

  function under(event) {
    const [x, y] = at(event);
    return cellAt(shown(), (x - view.x) / view.scale, (y - view.y) / view.scale);
  }

  // Drawing: the outline of a new cell, or a line through one. A click adds a round cell as wide as the others.
  let mode = "";
  let stroke = null; // points of what is being drawn, in pixels of the image
  const pen = element("polyline", { class: "drawing", "vector-effect": "non-scaling-stroke" }, null, SVG);
  const inImage = (event) => at(event).map((value, i) => Math.round((10 * (value - [view.x, view.y][i])) / view.scale) / 10);

  function pick(wanted) {
    mode = mode === wanted ? "" : wanted;
    for (const [name, button] of Object.entries(pens)) button.setAttribute("aria-pressed", String(name === mode));
    spoken.textContent = { add: "Draw around a cell, or click in its middle.", split: "Draw a line across a cell.", "": "" }[mode];
  }

  function draw(points) {
    stroke = points;
    pen.setAttribute("points", (points ?? []).map((point) => point.join(",")).join(" "));
    if (points) marks.appendChild(pen);
    else pen.remove();
  }

  function drawn(points) {
    const [x, y] = points[Math.floor(points.length / 2)];
    if (mode === "split") return model.send({ line: [points[0], points.at(-1)], cell: cellBetween(points[0], points.at(-1)) });
    if (moved >= DRAG_PX) return model.send({ outline: points });
    const widths = model.get("cells").map((cell) => cell.box[2]).sort((a, b) => a - b);
    const radius = (widths[widths.length >> 1] ?? model.get("size")[0] / 20) / 2;
    const turn = (i) => (2 * Math.PI * i) / 24;
    model.send({ outline: Array.from({ length: 24 }, (_, i) => [x + radius * Math.cos(turn(i)), y + radius * Math.sin(turn(i))]) });
  }

  // The number of the cell that most of a line lies in.
  function cellBetween([x0, y0], [x1, y1]) {
    const seen = new Map();
    for (let t = 0.025; t < 1; t += 0.05) {
      const cell = cellAt(shown(), x0 + t * (x1 - x0), y0 + t * (y1 - y0));
      if (cell && cell.mark !== "deleted") seen.set(cell.number, (seen.get(cell.number) ?? 0) + 1);
    }
    return [...seen].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
  }

  const held = new Map(); // pointers that are down, where they were last
  let moved = 0;
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!held.size) moved = 0;
    held.set(event.pointerId, at(event));
    if (mode && held.size === 1) draw([inImage(event)]);
    else draw(null);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId)) return hover(event);
    const [x, y] = at(event);
    const [x0, y0] = held.get(event.pointerId);
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    held.set(event.pointerId, [x, y]);
    moved += Math.hypot(x - x0, y - y0);
    if (moved < DRAG_PX) return;
    frame.setPointerCapture(event.pointerId);
    if (stroke) draw(mode === "split" ? [stroke[0], inImage(event)] : [...stroke, inImage(event)]);
    else if (other) zoomAt(Math.hypot(x - other[0], y - other[1]) / Math.max(1, Math.hypot(x0 - other[0], y0 - other[1])), ...other);
    else move(x - x0, y - y0);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    frame.addEventListener(kind, (event) => {
      held.delete(event.pointerId);
      if (stroke && kind === "pointerup") drawn(stroke);
      draw(null);
    });
  }
  frame.addEventListener("click", (event) => !mode && moved < DRAG_PX && choose(under(event), event.ctrlKey || event.metaKey || event.shiftKey));
  frame.addEventListener("dblclick", (event) => !mode && zoomAt(2, ...at(event)));
  // At its least zoom the picture lets the page scroll on.
  frame.addEventListener(
    "wheel",
    (event) => {
      if (event.deltaY > 0 && fitted && !event.ctrlKey) return;
      event.preventDefault();
      zoomAt(Math.exp(-Math.max(-100, Math.min(100, event.deltaY)) / 300), ...at(event));
    },
    { passive: false },
  );

  for (const kind of ["pointerdown", "pointermove", "pointerup", "click", "dblclick"]) {
    minimap.addEventListener(kind, (event) => {
      if (held.size) return; // a drag that began in the picture
      event.stopPropagation();
      if (kind === "pointerdown") minimap.setPointerCapture(event.pointerId);
      if (event.buttons & 1 && kind.startsWith("pointer")) moveTo(event);
    });
  }
  minimap.addEventListener("pointerenter", () => {
    hide();
    mark();
  });

  function hover(event) {
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
  }
  frame.addEventListener("pointerleave", () => {
    hide();
    mark();
  });
  const KEYS = { "+": () => zoomAt(1.5), "-": () => zoomAt(1 / 1.5), f: fit, Escape: () => (mode ? pick(mode) : choose(null)) };
  frame.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if ((!arrow && !KEYS[event.key]) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (arrow && event.shiftKey) return move((-arrow[0] * frame.clientWidth) / 4, (-arrow[1] * frame.clientHeight) / 4);
    if (!arrow) return KEYS[event.key]();
    const from = selected();
    const next = from ? neighbour(shown(), from, ...arrow) : shown()[0];
    if (next) choose(next);
  });

  function tool(words, hint, action) {
    const button = element("button", { class: "jupyter-button widget-button", title: hint, "aria-label": hint }, bar);
    button.textContent = words;
    button.addEventListener("click", action);
    return button;
  }
  tool("\u2212", "Zoom out", () => zoomAt(1 / 1.5));
  tool("+", "Zoom in", () => zoomAt(1.5));
  tool("Fit", "Fit: show the whole picture", fit);
  tool("Full screen", "Full screen, Escape leaves it", () => (document.fullscreenElement ? document.exitFullscreen() : frame.requestFullscreen()));
  const pens = {
    add: tool("Add cell", "Add cell: draw around a cell that was not found, or click in its middle; press again to end", () => pick("add")),
    split: tool("Split", "Split: draw a line across a cell to cut it in two; press again to end", () => pick("split")),
  };
  bar.addEventListener("keydown", (event) => event.key === "Escape" && mode && pick(mode));
  const opacity = element("label", {}, bar);
  opacity.append("Opacity ");
  const range = element("input", { type: "range", min: 0, max: 1, step: 0.05, title: "How strongly the cells are tinted" }, opacity);
  range.value = model.get("opacity");
  range.addEventListener("input", () => {
    model.set("opacity", Number(range.value));
    model.save_changes();
  });

  const refresh = () => {
    hide();
    describe();
    paint();
    mark();
  };
  const sized = new ResizeObserver(() => (fitted ? fit() : place()));
  sized.observe(el);
  const onFullScreen = () => {
    frame.style.height = document.fullscreenElement === frame ? "100%" : "";
    fit();
  };
  document.addEventListener("fullscreenchange", onFullScreen);
  const replaced = () => {
    fitted = true;
    describe();
  };
  const handlers = {
    "change:picture": load,
    "change:map": load,
    "change:size": replaced,
    "change:alt": describe,
    "change:pixel_um": measure,
    "msg:custom": detail,
    "change:selected": () => {
      mark();
      reveal();
    },
    "change:chosen": mark,
  };
  for (const name of ["cells", "shown", "mode", "outlines"]) handlers[`change:${name}`] = refresh;
  handlers["change:opacity"] = () => {
    range.value = model.get("opacity");
    paint();
  };
  for (const [name, handler] of Object.entries(handlers)) model.on(name, handler);
  describe();
  load();
  mark();
  const release = keepKeys(el, model);
  model.send({ opened: true });
  return () => {
    release();
    sized.disconnect();
    document.removeEventListener("fullscreenchange", onFullScreen);
    for (const [name, handler] of Object.entries(handlers)) model.off(name, handler);
  };
}

export default { render };
