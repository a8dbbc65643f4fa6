// SPDX-License-Identifier: GPL-2.0-or-later
// Puts the parts together: the map, the table and the detail show one choice.
const maps = [];

function choose(area, intoView) {
	for (const map of maps)
		map.select(map.target === data.targets[area.target] ? map.list.indexOf(area) : undefined);
	table.chosen = area;
	showDetail(area);
	const at = table.list.indexOf(area);
	if (at >= 0)
		table.page = Math.floor(at / ROWS);
	drawTable(choose);
	$("said").textContent = words(area) + ", IOVA " + hex(area.first) + ", " + size(area.pages);
	if (intoView)
		$("detail").scrollIntoView({ block: "nearest" });
}

function filterTable() {
	const wanted = $("only").value;
	table.list = search($("search").value).filter(area => wanted === "" || (wanted === "faults" ? isFault(area) :
		verdictOf(area).name === wanted));
	table.page = 0;
	drawTable(choose);
	$("found").textContent = $("search").value.trim() ? table.list.length === 1 ? "1 area" : count(table.list.length) + " areas" : "";
}

// Enter goes to the next one that was found, with Shift to the one before.
function nextFound(event) {
	if (event.key !== "Enter" || !table.list.length)
		return;
	event.preventDefault();
	const at = table.list.indexOf(table.chosen), n = table.list.length;
	choose(table.list[(at + (at < 0 ? 1 : event.shiftKey ? n - 1 : 1)) % n]);
}

function drawMaps() {
	const lists = data.targets.map(() => []);
	areas.forEach(area => lists[area.target].push(area));
	data.targets.forEach((target, index) => {
		const list = lists[index];
		const parts = [make("h3", {}, target.label + ", space " + target.space),
			make("p", { class: "faint" }, target.domain + (target.devices ? "; devices on this table: " + target.devices : ""))];
		if (list.length) {
			const map = new IovaMap(target, list, choose);
			const button = (text, label, action) => make("button", { type: "button", "aria-label": label, onclick: action }, text);
			maps.push(map);
			parts.push(map.box, make("div", { class: "controls" },
				button("+", "zoom in", () => map.zoom(0.5)), button("\u2212", "zoom out", () => map.zoom(2)),
				button("\u2190", "move left", () => map.move(-0.5)), button("\u2192", "move right", () => map.move(0.5)),
				button("whole space", "show the whole space", () => map.all()),
				list.some(isFault) ? button("next fault", "go to the next fault", () => map.fault(1)) : null, map.range));
		} else {
			parts.push(make("p", {}, "Nothing is mapped here."));
		}
		$("maps").append(make("section", {}, ...parts));
	});
	for (const map of maps)
		map.draw();
}

function drawLegend() {
	const used = new Map();
	for (const area of areas)
		used.set(words(area), [toneOf(area), verdictOf(area)]);
	$("legend").append(...[...used].map(([word, [tone, verdict]]) => make("li", { class: tone, title: verdict.meaning }, make("i"),
		make("span", {}, word))));
	const names = [...new Set(areas.map(area => verdictOf(area).name))];
	$("only").append(make("option", { value: "" }, "everything"), areas.some(isFault) ? make("option", { value: "faults" }, "faults") : "",
		...names.map(name => make("option", { value: name }, name)));
}

drawLegend();
drawMaps();
drawTable(choose);
$("interactive").hidden = false;
$("search").addEventListener("input", filterTable);
$("search").addEventListener("keydown", nextFound);
$("only").addEventListener("change", filterTable);
$("earlier").addEventListener("click", () => { table.page--; drawTable(choose); });
$("later").addEventListener("click", () => { table.page++; drawTable(choose); });
// On paper nothing can be unfolded.
let folded = [];
addEventListener("beforeprint", () => {
	folded = [...document.querySelectorAll("details:not([open])")];
	folded.forEach(node => { node.open = true; });
	maps.forEach(map => map.draw());
});
addEventListener("afterprint", () => folded.forEach(node => { node.open = false; }));
