// SPDX-License-Identifier: GPL-2.0-or-later
// All areas as a table, a page of rows at a time: the map for those who cannot see it.
const ROWS = 100;

const table = { list: areas, page: 0, chosen: null };

function linkSigns(area) {
	const signs = { ok: "+", broken: "X", unverified: "?", "not-needed": "-" };
	const states = chainOf(area).map(link => data.states[link[0]]);
	return make("span", {}, make("code", { "aria-hidden": "true" }, states.map(state => signs[state]).join("")),
		make("span", { class: "hidden-text" }, states.map((state, i) => data.links[i].name + " " + state).join(", ")));
}

function tableRow(area, choose) {
	return make("tr", { class: area === table.chosen ? "chosen" : "", "aria-current": area === table.chosen ? "true" : false },
		make("td", { class: "address" }, make("button", { class: "plain", type: "button", onclick: () => choose(area, true) },
			hex(area.first) + "-" + lastByte(area))),
		make("td", { class: "number" }, size(area.pages)),
		make("td", { class: "number" }, data.targets[area.target].short),
		make("td", { class: "address" }, area.event >= 0 ? PROTS[area.prot] : ""),
		make("td", { class: "address" }, area.gpa >= 0 ? hex(area.gpa) + (area.extents > 1 ? " +" + count(area.extents - 1) : "") :
			area.event >= 0 ? "not known" : ""),
		make("td", { class: "address" }, area.seenGpa >= 0 ? hex(area.seenGpa) : ""),
		make("td", {}, linkSigns(area)),
		make("td", {}, make("span", { class: toneOf(area) }, words(area))));
}

function drawTable(choose) {
	const last = Math.max(Math.ceil(table.list.length / ROWS) - 1, 0);
	table.page = Math.min(Math.max(table.page, 0), last);
	const begin = table.page * ROWS, shown = table.list.slice(begin, begin + ROWS);
	$("rows").replaceChildren(...shown.map(area => tableRow(area, choose)));
	$("place").textContent = table.list.length ? count(begin + 1) + " to " + count(begin + shown.length) + " of " +
		count(table.list.length) + (table.list.length < areas.length ? " (of " + count(areas.length) + " in all)" : "") : "nothing found";
	$("pages").hidden = last === 0;
	$("earlier").disabled = table.page === 0;
	$("later").disabled = table.page === last;
}
