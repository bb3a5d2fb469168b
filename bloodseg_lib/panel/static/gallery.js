// The front end of bloodseg_lib.panel.widgets.Gallery: close-ups of cells side by side, of which several can be chosen.
// Traits: sheet (PNG of all close-ups, in rows of columns), columns, side (of a close-up, in pixels), cells [{number, words, mark}], chosen, selected.

function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "bloodseg-gallery bloodseg-keys";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Close-ups of cells");
  list.setAttribute("aria-multiselectable", "true");
  list.tabIndex = -1; // has the focus when its last cell has left it
  el.appendChild(list);
  let url = null;
  let last = 0; // where a choice of several begins

  function choose(index, event) {
    const numbers = model.get("cells").map((cell) => cell.number);
    const number = numbers[index];
    const before = model.get("chosen");
    let chosen = [number];
    if (event.shiftKey) {
      const [from, to] = [Math.min(last, index), Math.max(last, index)];
      chosen = [...new Set([...before, ...numbers.slice(from, to + 1)])];
    } else if (event.ctrlKey || event.metaKey) {
      chosen = before.includes(number) ? before.filter((n) => n !== number) : [...before, number];
    }
    last = index;
    model.set("chosen", chosen);
    model.set("selected", chosen.includes(number) ? number : (chosen.at(-1) ?? 0));
    model.save_changes();
  }

  function mark() {
    const chosen = new Set(model.get("chosen"));
    [...list.children].forEach((tile, i) => tile.setAttribute("aria-selected", String(chosen.has(model.get("cells")[i]?.number))));
  }

  function newTile(index) {
    const tile = document.createElement("button");
    tile.setAttribute("role", "option");
    tile.addEventListener("click", (event) => choose(index, event));
    return tile;
  }

  function draw() {
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([model.get("sheet")], { type: "image/png" }));
    const focused = [...list.children].indexOf(document.activeElement);
    const [side, columns, cells] = [model.get("side"), model.get("columns"), model.get("cells")];
    // Tiles that are there stay: a press on one that is replaced before it is let go would be no click.
    while (list.children.length > cells.length) list.lastChild.remove();
    cells.forEach((cell, i) => {
      const tile = list.children[i] ?? list.appendChild(newTile(i));
      tile.setAttribute("aria-label", cell.words);
      tile.title = cell.words;
      tile.className = cell.mark && `bloodseg-${cell.mark}`;
      Object.assign(tile.style, {
        width: `${side}px`,
        height: `${side}px`,
        backgroundImage: `url(${url})`,
        backgroundPosition: `${-side * (i % columns)}px ${-side * Math.floor(i / columns)}px`,
        borderBottomColor: cell.colour,
      });
    });
    if (focused >= cells.length) (list.lastChild ?? list).focus(); // a key is for a cell, or for undo
    mark();
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && list.children[[...list.children].indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
  model.on("change:cells change:sheet", draw);
  model.on("change:chosen", mark);
  draw();
  return () => {
    model.off("change:cells change:sheet", draw);
    model.off("change:chosen", mark);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
