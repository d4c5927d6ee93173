// The storefront of one restaurant: read the published menu, gather a basket, send one order.
// It acts as a visitor (no cookies are sent), and builds the page from DOM nodes and text alone.

const API = "/api/v1";
const COURSES = [["starter", "Starters"], ["main", "Mains"], ["side", "Sides"], ["dessert", "Desserts"], ["drink", "Drinks"]];
const TIPS = [0, 5, 10, 15];
const MOST_OF_ONE = 50;
const MOST_LINES = 60;
const KEPT_AS = "basket";

const $ = (id) => document.getElementById(id);
const dishes = new Map();            // id -> dish
const basket = new Map();            // id -> { count, wish }
let tipPercent = 0;
let orderKey = newKey();

// ── Money: integers of the smallest unit, "12.50 EUR" on the wire ──────────────────────────────────────────────────

let currency = "EUR";

function cents(text) {
  const found = /^(\d+)(?:\.(\d{1,2}))?\s([A-Z]{3})$/.exec(text ?? "");
  if (!found) return null;
  currency = found[3];
  return Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0"));
}

function wire(amount) {
  return `${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, "0")} ${currency}`;
}

function shown(amount) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(amount / 100);
}

// ── Talking to the server ───────────────────────────────────────────────────────────────────────────────────────────

async function list(collection, query) {
  const answer = await fetch(`${API}/collections/${collection}/records?${query}`, {
    headers: { accept: "application/json" },
    credentials: "omit",
  });
  if (!answer.ok) throw new Error(`${collection}: ${answer.status}`);
  return (await answer.json()).items ?? [];
}

async function send(order) {
  const answer = await fetch(`${API}/submissions/order`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", "idempotency-key": orderKey },
    credentials: "omit",
    body: JSON.stringify(order),
  });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw new Error(refusal(answer, body));
}

function refusal(answer, body) {
  if (answer.status === 429) {
    const seconds = Number(answer.headers.get("retry-after")) || 60;
    return `That was a lot of orders from one place. Please try again in ${seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`}.`;
  }
  return body.detail || body.title || "The order could not be placed. Please try again.";
}

function newKey() {
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}

// ── Small helpers ───────────────────────────────────────────────────────────────────────────────────────────────────

const NAMED = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'", nbsp: " " };

/** Rich text as plain text: tags dropped, entities read. It is only ever shown through textContent. */
function plain(rich) {
  return (rich ?? "")
    .replace(/<[^>]*>/g, " ")
    .replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (all, dec, hex, name) => {
      if (name) return NAMED[name.toLowerCase()] ?? all;
      const code = dec ? Number(dec) : parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    })
    .replace(/\s+/g, " ")
    .trim();
}

function copyOf(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

function write(root, selector, text) {
  root.querySelector(selector).textContent = text ?? "";
}

function say(text) {
  $("spoken").textContent = text;
}

const idOf = (reference) => (typeof reference === "object" && reference ? reference.id : reference);

// ── The head of the page ────────────────────────────────────────────────────────────────────────────────────────────

function nameFromHost() {
  const labels = location.hostname.split(".").filter((label) => !["www", "order", "shop"].includes(label));
  return (labels[0] ?? "").split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}

function showPlace(place) {
  const name = place?.name ?? nameFromHost();
  $("place-name").textContent = name;
  document.title = `${name}: order online`;
  document.documentElement.dataset.palette = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 4;
  if (!place) return;

  $("place-greeting").textContent = place.greeting ?? "";
  $("place-greeting").hidden = !place.greeting;
  const where = [place.street, place.town, place.phone].filter(Boolean).join("\n");
  const hours = (Array.isArray(place.hours) ? place.hours : []).map(([days, open]) => `${days}: ${open}`).join("\n");
  for (const [term, text] of [["Where", where], ["Open", hours]]) {
    if (!text) continue;
    const group = document.createElement("div");
    group.append(document.createElement("dt"), document.createElement("dd"));
    write(group, "dt", term);
    write(group, "dd", text);
    $("place-facts").append(group);
  }
  $("place-facts").hidden = !$("place-facts").childElementCount;
}

// ── Menus ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function showMenus(menus) {
  const shownMenus = menus.filter((menu) => [...dishes.values()].some((dish) => idOf(dish.menu) === menu.id));
  $("menus").ariaBusy = "false";
  if (!shownMenus.length) {
    $("notice").textContent = "There is no menu to order from just now. Please look in later.";
    return;
  }
  $("notice").remove();
  shownMenus.forEach((menu, index) => {
    const section = menuSection(menu, `menu-${index}`);
    $("menus").append(section);
    const link = document.createElement("a");
    link.href = `#${section.id}`;
    link.textContent = menu.name;
    $("jump").append(document.createElement("li"));
    $("jump").lastElementChild.append(link);
  });
  $("jump").parentElement.hidden = shownMenus.length < 2;
}

function menuSection(menu, id) {
  const section = copyOf("menu-template");
  section.id = id;
  write(section, "h2", menu.name);
  write(section, ".served", menu.served);
  write(section, ".note", plain(menu.note));
  const own = [...dishes.values()].filter((dish) => idOf(dish.menu) === menu.id);
  for (const [course, label] of COURSES) {
    const part = own.filter((dish) => (dish.course ?? "main") === course);
    if (!part.length) continue;
    const block = copyOf("course-template");
    write(block, "h3", label);
    block.querySelector("ul").append(...part.map(dishCard));
    section.append(block);
  }
  return section;
}

function dishCard(dish) {
  const card = copyOf("dish-template");
  card.dataset.dish = dish.id;
  write(card, "h4", dish.name);
  write(card, ".about", plain(dish.about));
  write(card, ".allergens", dish.allergens?.length ? `Contains ${dish.allergens.join(", ")}` : "");
  write(card, ".price", shown(dish.cents));
  if (dish.sold_out) {
    card.dataset.soldOut = "";
    const sold = document.createElement("span");
    sold.className = "sold";
    sold.textContent = "Sold out";
    card.querySelector(".stepper").replaceWith(sold);
  } else {
    wireStepper(card, dish);
  }
  return card;
}

function wireStepper(root, dish) {
  const less = root.querySelector(".less");
  const more = root.querySelector(".more");
  less.ariaLabel = `One ${dish.name} less`;
  more.ariaLabel = `Add ${dish.name}`;
  less.addEventListener("click", () => change(dish, -1));
  more.addEventListener("click", () => change(dish, +1));
}

// ── The basket ──────────────────────────────────────────────────────────────────────────────────────────────────────

function change(dish, by) {
  const line = basket.get(dish.id) ?? { count: 0, wish: "" };
  const count = Math.min(line.count + by, MOST_OF_ONE);
  if (!basket.has(dish.id) && basket.size >= MOST_LINES) return say("An order can hold no more different dishes.");
  if (count > 0) basket.set(dish.id, { ...line, count });
  else basket.delete(dish.id);
  changed();
  say(`${dish.name}: ${Math.max(count, 0)} in your order. ${shown(sumOfDishes())} altogether.`);
}

function changed() {
  orderKey = newKey();
  keep();
  showBasket();
}

function sumOfDishes() {
  return [...basket].reduce((sum, [id, line]) => sum + dishes.get(id).cents * line.count, 0);
}

const tipOf = (percent) => Math.round((sumOfDishes() * percent) / 1000) * 10;      // to the nearest ten

function showBasket() {
  const count = [...basket.values()].reduce((sum, line) => sum + line.count, 0);
  const total = shown(sumOfDishes() + tipOf(tipPercent));
  $("bar").hidden = count === 0;
  $("bar-count").textContent = count;
  $("bar-total").textContent = shown(sumOfDishes());
  for (const card of document.querySelectorAll("[data-dish]")) showCount(card, basket.get(card.dataset.dish)?.count ?? 0);
  showLines();
  showTips();
  $("sum-dishes").textContent = shown(sumOfDishes());
  $("sum-tip").textContent = shown(tipOf(tipPercent));
  $("sum-tip-row").hidden = tipPercent === 0;
  $("sum-total").textContent = total;
  $("send-total").textContent = total;
  if (count === 0 && $("basket").open) $("basket").close();
}

function showCount(card, count) {
  const stepper = card.querySelector(".stepper");
  if (!stepper) return;
  stepper.toggleAttribute("data-empty", count === 0);
  card.toggleAttribute("data-chosen", count > 0);
  write(stepper, ".count", count);
}

/** Lines are kept, not rebuilt, so that focus stays where it is while a count changes. */
function showLines() {
  const present = new Map([...$("lines").children].map((node) => [node.dataset.line, node]));
  for (const [id, node] of present) if (!basket.has(id)) node.remove();
  for (const [id, line] of basket) {
    const dish = dishes.get(id);
    const node = present.get(id) ?? newLine(dish, line);
    write(node, ".count", line.count);
    write(node, ".line-sum", shown(dish.cents * line.count));
    if (!node.isConnected) $("lines").append(node);
  }
}

function newLine(dish, line) {
  const node = copyOf("line-template");
  node.dataset.line = dish.id;
  write(node, ".line-name", dish.name);
  const wish = node.querySelector(".wish");
  wish.value = line.wish;
  wish.ariaLabel = `A wish for ${dish.name}`;
  wish.addEventListener("input", () => {
    basket.set(dish.id, { ...basket.get(dish.id), wish: wish.value });
    orderKey = newKey();
    keep();
  });
  wireStepper(node, dish);
  return node;
}

function showTips() {
  if (!$("tips").childElementCount) $("tips").append(...TIPS.map(tipChoice));
}

function tipChoice(percent) {
  const choice = copyOf("tip-template");
  const input = choice.querySelector("input");
  input.value = String(percent);
  input.checked = percent === tipPercent;
  write(choice, "span", percent ? `${percent} %` : "No tip");
  input.addEventListener("change", () => {
    tipPercent = percent;
    changed();
  });
  return choice;
}

function keep() {
  try {
    sessionStorage.setItem(KEPT_AS, JSON.stringify([...basket]));
  } catch { /* storage may be switched off; the basket then lasts as long as the page */ }
}

function recall() {
  try {
    for (const [id, line] of JSON.parse(sessionStorage.getItem(KEPT_AS)) ?? []) {
      if (dishes.has(id) && !dishes.get(id).sold_out && line.count > 0) basket.set(id, line);
    }
  } catch { /* nothing kept, or not ours */ }
}

// ── Ordering ────────────────────────────────────────────────────────────────────────────────────────────────────────

function orderFrom(form) {
  const customer = { name: form.get("name").trim(), consent: form.has("consent") };
  for (const field of ["email", "phone"]) if (form.get(field).trim()) customer[field] = form.get(field).trim();
  const order = {
    order_lines: [...basket].map(([dish, line]) => ({ dish, count: line.count, wish: line.wish.trim() })),
    customer,
    website: form.get("website"),
  };
  if (tipPercent) order.tip = wire(tipOf(tipPercent));
  return order;
}

async function place(event) {
  event.preventDefault();
  $("problem").hidden = true;
  $("send").disabled = true;
  try {
    const answer = await send(orderFrom(new FormData($("order"))));
    thank(answer);
  } catch (problem) {
    $("problem").textContent = problem instanceof TypeError ? "No connection. Your order has not been confirmed; please try again." : problem.message;
    $("problem").hidden = false;
  } finally {
    $("send").disabled = false;
  }
}

function thank(answer) {
  const number = answer.number ?? answer.record?.number;
  $("thanks-text").textContent = number
    ? `Your order has number ${number}. The restaurant has it now.`
    : "The restaurant has your order.";
  basket.clear();
  changed();
  $("basket").close();
  $("thanks").showModal();
}

function wireDialogs() {
  $("open-basket").addEventListener("click", () => $("basket").showModal());
  $("order").addEventListener("submit", place);
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
      const box = dialog.getBoundingClientRect();             // a click beside the sheet; a key press has no place
      const beside = event.clientX < box.left || event.clientY < box.top;
      if (event.target === dialog && event.detail > 0 && beside) dialog.close();
    });
  }
}

async function start() {
  wireDialogs();
  const places = list("places", "limit=1").catch(() => []);
  try {
    const [menus, found] = await Promise.all([list("menus", "sort=name&limit=100"), list("dishes", "sort=name&limit=100")]);
    for (const dish of found) {
      const price = cents(dish.price);
      if (price !== null) dishes.set(dish.id, { ...dish, cents: price });
    }
    showPlace((await places)[0]);
    showMenus(menus);
    recall();
    showBasket();
  } catch {
    showPlace((await places)[0]);
    $("menus").ariaBusy = "false";
    $("notice").textContent = "The menu could not be fetched. Please reload the page in a moment.";
  }
}

start();
