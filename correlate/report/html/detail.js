// SPDX-License-Identifier: GPL-2.0-or-later
// One area: what L1 asked for, what the table has, its chain, its walk.
const SIGNS = { ok: "\u2713", broken: "\u2717", unverified: "?", "not-needed": "\u2013" };

function chainPicture(area) {
	return make("ol", { class: "chain" }, ...chainOf(area).map(([state, note], i) => {
		const name = data.states[state];
		return make("li", { class: name },
			make("span", { class: "name" }, (i + 1) + " " + data.links[i].name),
			make("span", { class: "state" }, SIGNS[name] + " " + name),
			make("span", { class: "who" }, data.links[i].who),
			note >= 0 ? make("span", { class: "note" }, data.notes[note]) : null);
	}));
}

function walkTable(walk, blame) {
	const head = ["entry", "at GPA", "raw", "fields"];
	const body = walk.steps.map(([name, table, index, entry, raw, unreadable, fields], i) => make("tr", { class: blame && i + 1 === walk.steps.length ? "blame" : false },
		make("td", {}, name, make("br"), make("span", { class: "faint" }, "index " + index)),
		make("td", { class: "address" }, entry, make("br"), make("span", { class: "faint" }, "table " + table)),
		make("td", { class: "address" }, ...(unreadable ? [unreadable] : raw.flatMap((word, k) => k ? [make("br"), word] : [word]))),
		make("td", {}, make("div", { class: "fields" }, ...fields.map(([field, value, meaning]) => make("span", {},
			make("code", {}, field + "=" + value), meaning ? make("small", {}, " (" + meaning + ")") : null))))));
	return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "the walk, entry by entry" },
		make("table", { class: "walk" }, make("thead", {}, make("tr", {}, ...head.map(text => make("th", { scope: "col" }, text)))),
			make("tbody", {}, ...body)));
}

function facts(area) {
	const target = data.targets[area.target], pairs = [];
	const pair = (name, ...value) => pairs.push(make("dt", {}, name), make("dd", {}, ...value));
	pair("verdict", make("strong", { class: toneOf(area) }, words(area)), ": " + verdictOf(area).meaning);
	pair("device", target.label + ", space " + target.space + " (" + target.backend + ")");
	pair("IOVA", make("code", {}, hex(area.first) + "-" + lastByte(area)), " (" + size(area.pages) + ")");
	if (area.event >= 0)
		pair(["stale", "unmapped"].includes(verdictOf(area).name) ? "L1 had there" : "L1 asked for",
			area.gpa >= 0 ? make("code", {}, "GPA " + hex(area.gpa)) : "a GPA that is not known",
			", " + PROTS[area.prot] + (area.extents > 1 ? ", in " + count(area.extents) + " pieces, the first of them here" : "") +
			" (event " + area.event + " of the record" + (area.requests > 1 ? ", the first of " + count(area.requests) : "") + ")");
	if (area.seenGpa >= 0)
		pair("the table has", make("code", {}, "GPA " + hex(area.seenGpa)), ", " + PROTS[area.seenProt] + ", " +
			size(2 ** (area.shift - 12)) + " page");
	if (area.note >= 0)
		pair("note", data.notes[area.note]);
	return make("dl", {}, ...pairs);
}

function showDetail(area) {
	const walk = walkOf(area);
	$("detail").replaceChildren(make("h3", {}, "IOVA " + hex(area.first) + ": " + words(area)), facts(area), chainPicture(area),
		make("h3", {}, "The walk to its first page"),
		...(walk ? [walkTable(walk, verdictOf(area).tone === "bad"), ...walk.answers.map(text => make("p", {}, make("code", {}, text)))] :
			[make("p", {}, data.targets[area.target].any ? "The record does not say which device's tables to walk." :
				"This walk was left out, to keep the file small: viommu walk shows it.")]));
}
