// The front end of bloodseg_lib.panel.widgets.Gallery: close-ups of cells side by side, of which several can be chosen.
// Traits: sheet (PNG of all close-ups, in rows of columns), columns, side (of a close-up, in pixels), cells [{number, words, mark}], chosen, selected.

function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "bloodseg-gallery bloodseg-keys";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Close-ups of cells");
  list.setAttribute("aria-multiselectable", "true");
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

  function draw() {
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([model.get("sheet")], { type: "image/png" }));
    const focused = [...list.children].indexOf(document.activeElement);
    const [side, columns] = [model.get("side"), model.get("columns")];
    list.replaceChildren();
    model.get("cells").forEach((cell, i) => {
      const tile = document.createElement("button");
      tile.setAttribute("role", "option");
      tile.setAttribute("aria-label", cell.words);
      tile.title = cell.words;
      if (cell.mark) tile.classList.add(`bloodseg-${cell.mark}`);
      Object.assign(tile.style, {
        width: `${side}px`,
        height: `${side}px`,
        backgroundImage: `url(${url})`,
        backgroundPosition: `${-side * (i % columns)}px ${-side * Math.floor(i / columns)}px`,
        borderBottomColor: cell.colour,
      });
      tile.addEventListener("click", (event) => choose(i, event));
      list.appendChild(tile);
    });
    list.children[focused]?.focus();
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
  model.on("change:cells", draw);
  model.on("change:chosen", mark);
  draw();
  return () => {
    model.off("change:cells", draw);
    model.off("change:chosen", mark);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
