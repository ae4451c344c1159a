// Tells the name of the item that is pointed at, tapped, or reached by the arrow keys.
(() => {
  const map = document.getElementById("map"), ring = document.getElementById("ring"), told = document.getElementById("told");
  const items = [...map.querySelectorAll("circle[data-name]")];
  const at = items.map((item) => [item.cx.baseVal.value, item.cy.baseVal.value]);
  let shown = items.length;
  const show = (k) => {
    shown = (k + items.length) % items.length;
    told.textContent = items[shown].dataset.name + " (" + items[shown].dataset.group + ")";
    ring.setAttribute("cx", at[shown][0]);
    ring.setAttribute("cy", at[shown][1]);
  };
  const point = (event) => {
    const box = map.getBoundingClientRect(), scale = 600 / box.width;
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
