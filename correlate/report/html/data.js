// SPDX-License-Identifier: GPL-2.0-or-later
// The result as it stands in the file. Addresses are page numbers: 52 bits, which a number
// of JavaScript holds exactly.
const $ = id => document.getElementById(id);

const data = JSON.parse($("data").textContent);

// The columns of an area, as report-html-data.c writes them.
const COLUMNS = ["target", "first", "pages", "verdict", "chain", "event", "prot", "gpa", "extents", "seenGpa", "seenProt", "shift",
	"note", "part", "requests"];
const areas = data.areas.map((row, index) => {
	const area = { index };
	COLUMNS.forEach((name, i) => { area[name] = row[i]; });
	return area;
});

const hex = page => "0x" + (BigInt(page) << 12n).toString(16);
const lastByte = area => "0x" + (((BigInt(area.first) + BigInt(area.pages)) << 12n) - 1n).toString(16);
const count = n => n.toLocaleString("en-US");
const PROTS = ["--", "r-", "-w", "rw", "not known"];

function size(pages) {
	const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
	let n = BigInt(pages) * 4n, unit = 0;
	while (n % 1024n === 0n && unit + 1 < units.length) {
		n /= 1024n;
		unit++;
	}
	return count(n) + " " + units[unit];
}

const verdictOf = area => data.verdicts[area.verdict];
const chainOf = area => data.chains[area.chain];
const brokenLink = area => chainOf(area).findIndex(link => data.states[link[0]] === "broken");
const isFault = area => verdictOf(area).tone === "bad" || brokenLink(area) >= 0;
const toneOf = area => isFault(area) ? "bad" : verdictOf(area).tone;
const words = area => verdictOf(area).tone !== "bad" && isFault(area) ? verdictOf(area).name + ", link " + (brokenLink(area) + 1) +
	" broken" : verdictOf(area).name;

// An element with attributes and children; text is always text.
const SVG = "http://www.w3.org/2000/svg";
function fill(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes || {}))
		if (name.startsWith("on"))
			node.addEventListener(name.slice(2), value);
		else if (value !== false && value !== undefined && value !== null)
			node.setAttribute(name, value === true ? "" : value);
	node.append(...children.filter(child => child !== null && child !== undefined));
	return node;
}
const make = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const draw = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// Walks stand in parts that are read when one of them is asked for.
const parts = new Map();
function walkOf(area) {
	if (area.part < 0)
		return null;
	if (!parts.has(area.part)) {
		const part = JSON.parse($("walks-" + area.part).textContent);
		parts.set(area.part, { steps: part.steps, walks: new Map(part.walks.map(walk => [walk[0], walk])) });
	}
	const part = parts.get(area.part), walk = part.walks.get(area.index);
	return walk ? { steps: walk[1].map(step => part.steps[step]), answers: walk.slice(2) } : null;
}

// "0x40001000", or words. What it finds, in the order of the map.
function search(text) {
	const query = text.trim().toLowerCase();
	if (!query)
		return areas;
	if (/^(0x[0-9a-f]{1,16}|[0-9a-f]{4,16})$/.test(query)) {
		const page = Number(BigInt(query.startsWith("0x") ? query : "0x" + query) >> 12n);
		const within = (first, area) => first >= 0 && page >= first && page < first + (area.extents === 1 ? area.pages : 1);
		const found = areas.filter(area => page >= area.first && page - area.first < area.pages);
		return found.concat(areas.filter(area => !found.includes(area) && (within(area.gpa, area) || within(area.seenGpa, area))));
	}
	return areas.filter(area => [words(area), data.targets[area.target].label, data.notes[area.note] || ""].some(item =>
		item.toLowerCase().includes(query)));
}
