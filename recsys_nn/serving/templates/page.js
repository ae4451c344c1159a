// Asks the service, and shows its answers as text: nothing that comes from a run is taken as HTML.
(() => {
  const at = (id) => document.getElementById(id);
  const { low, high, keepsRatings } = at("asked").dataset;
  const rated = new Map(); // by the item's name: what somebody new has said
  let latest = 0;

  // Whole numbers beyond 2^53 stay as they are written, where the browser can: they are somebody's id.
  const exact = (key, value, context) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && JSON.rawJSON ? JSON.rawJSON(context.source) : value;

  const asked = async (address, question) => {
    const options = question && {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
    };
    const answer = await fetch(address, options);
    const content = JSON.parse(await answer.text(), exact);
    if (answer.ok) return content;
    const detail = content.detail;
    throw new Error(typeof detail === "string" ? detail : detail.map((problem) => problem.msg).join("; "));
  };

  const made = (template) => at(template).content.firstElementChild.cloneNode(true);
  const times = (n) => `${n.toLocaleString("en")} rating${n === 1 ? "" : "s"}`;
  const shown = (rating) => Number(rating.toFixed(2)).toString();

  const searches = (input, list, address, entry) => {
    let last = 0;
    const search = async () => {
      const mine = ++last;
      try {
        const found = await asked(`${address}?search=${encodeURIComponent(input.value)}&n=12`);
        if (mine === last) list.replaceChildren(...(found.length ? found.map(entry) : [Object.assign(
          document.createElement("li"), { textContent: "Nothing found." })]));
      } catch (error) {
        at("told").textContent = error.message;
      }
    };
    let timer;
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
    return search;
  };

  const showList = async (heading, ask) => {
    const mine = ++latest;
    at("heading").textContent = heading;
    at("told").textContent = "…";
    at("list").setAttribute("aria-busy", "true");
    try {
      const { lists: [{ items }] } = await ask();
      if (mine !== latest) return;
      at("recommended").replaceChildren(...items.map(recommendation));
      at("told").textContent = items.length ? told(items[0].source) : "There is nothing left to recommend.";
    } catch (error) {
      if (mine !== latest) return;
      at("recommended").replaceChildren();
      at("told").textContent = error.message;
    }
    at("list").setAttribute("aria-busy", "false");
  };

  const told = (source) => (source === "model" || source === "user"
    ? `The highest predicted ratings, on a scale from ${shown(+low)} to ${shown(+high)}.`
    : "Nothing is known of this user: these are what is rated highest.");

  const recommendation = ({ name, prediction, reasons }) => {
    const element = made("recommendation");
    element.querySelector("b").textContent = name;
    element.querySelector(".value").textContent = prediction.toFixed(2);
    element.querySelector("meter").value = prediction;
    element.querySelector(".why").textContent = reasons.length
      ? `Closest to ${reasons.map((reason) => `${reason.name}, rated ${shown(reason.rating)}`).join("; ")}` : "";
    return element;
  };

  const users = searches(at("user-search"), at("users"), "/users", ({ name, ratings }) => {
    const element = made("choice");
    const button = element.querySelector("button");
    button.textContent = name;
    element.querySelector("small").textContent = times(ratings);
    button.addEventListener("click", () => {
      const question = new URLSearchParams({ user: name, reasons: 3, exclude_seen: keepsRatings });
      showList(`For user ${name}`, () => asked(`/recommend?${question}`));
      if (at("list").getBoundingClientRect().top > innerHeight / 2) at("list").scrollIntoView();
    });
    return element;
  });

  const toRate = ({ id, name, ratings }) => {
    const element = made("to-rate");
    const select = element.querySelector("select");
    element.querySelector("b").textContent = name;
    element.querySelector("small").textContent = ratings === undefined ? "" : times(ratings);
    select.setAttribute("aria-label", `Rating of ${name}`);
    select.value = rated.get(name)?.rating ?? "";
    select.addEventListener("change", () => {
      if (select.value) rated.set(name, { id, rating: select.value });
      else rated.delete(name);
      ratingsChanged();
    });
    return element;
  };
  const items = searches(at("item-search"), at("items"), "/items", toRate);

  const ratingsChanged = () => {
    at("rated").replaceChildren(...[...rated].map(([name, { id }]) => toRate({ id, name })));
    at("rated-part").hidden = !rated.size;
    items();
    const ratings = [...rated.values()].map(({ id, rating }) => [id, +rating]);
    if (ratings.length) showList("For you", () => asked("/recommend", { ratings, reasons: 3 }));
    else showNothing();
  };

  const showNothing = () => {
    latest++;
    at("heading").textContent = "The list";
    at("told").textContent = "Pick a user, or rate a few items as somebody new.";
    at("recommended").replaceChildren();
  };

  const tabs = [...document.querySelectorAll("[role=tab]")];
  const select = (chosen) => tabs.forEach((tab) => {
    tab.setAttribute("aria-selected", tab === chosen);
    at(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  });
  tabs.forEach((tab) => tab.addEventListener("click", () => select(tab)));
  users();
  items();
})();
