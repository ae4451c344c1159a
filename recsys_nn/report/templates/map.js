// Tells the name of the item that is pointed at, tapped, or reached by the arrow keys.
(() => {
  const [map, ring, label, told] = ["map", "ring", "label", "told"].map((id) => document.getElementById(id));
  const width = map.viewBox.baseVal.width;
  const items = [...map.querySelectorAll("circle[data-name]")];
  const at = items.map((item) => [item.cx.baseVal.value, item.cy.baseVal.value]);
  let shown = items.length;
  const place = (element, values) => Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value));
  const show = (k) => {
    shown = (k + items.length) % items.length;
    const { name, group } = items[shown].dataset, [x, y] = at[shown], left = x < width / 2;
    told.textContent = name + " (" + group + ")";
    label.textContent = name.length > 36 ? name.slice(0, 35) + "…" : name;
    place(ring, { cx: x, cy: y });
    place(label, { x: left ? x + 12 : x - 12, y: y + 5, "text-anchor": left ? "start" : "end" });
  };
  const point = (event) => {
    const box = map.getBoundingClientRect(), scale = width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    const far = at.map(([cx, cy]) => (cx - x) ** 2 + (cy - y) ** 2);
    const nearest = far.indexOf(Math.min(...far));
    if (far[nearest] < 24 ** 2) show(nearest);
  };
  map.addEventListener("pointermove", point);
  map.addEventListener("click", point);
  map.addEventListener("keydown", (event) => {
    const step = { ArrowRight: -1, ArrowDown: -1, ArrowLeft: 1, ArrowUp: 1 }[event.key];
    if (step) { event.preventDefault(); show(shown + step); }
  });
})();
