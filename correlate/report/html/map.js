// SPDX-License-Identifier: GPL-2.0-or-later
// The IOVA space of one table as a strip. Spaces are huge and nearly empty, so what is not
// mapped is folded, and the width of an area goes by the logarithm of its size: one wrong
// page beside a gigabyte is seen.
const GAP = 0.6, HEIGHT = 92, TOP = 10, BAR = 50, WORST = { none: 0, good: 1, unsure: 2, bad: 3 };

class IovaMap {
	constructor(target, list, choose) {
		this.target = target;
		this.list = list;
		this.choose = choose;
		this.left = [];
		let at = 0;
		list.forEach((area, i) => {
			if (i && list[i - 1].first + list[i - 1].pages !== area.first)
				at += GAP;
			this.left.push(at);
			at += 1 + Math.log2(area.pages);
		});
		this.length = Math.max(at, 1);
		this.from = 0;
		this.to = this.length;
		this.svg = draw("svg", { "aria-hidden": "true", focusable: "false" });
		this.box = make("div", { class: "map", tabindex: "0", role: "application", "aria-roledescription": "map",
			"aria-label": this.summary(), "aria-describedby": "keys", onkeydown: event => this.key(event),
			onpointerdown: event => this.drag(event), onclick: event => this.click(event) }, this.svg);
		this.box.addEventListener("wheel", event => this.wheel(event), { passive: false });
		this.range = make("p", { class: "faint", "aria-hidden": "true" });
		new ResizeObserver(() => this.draw()).observe(this.box);
	}

	summary() {
		const pages = new Map();
		for (const area of this.list)
			pages.set(words(area), (pages.get(words(area)) || 0) + area.pages);
		return "IOVA space of " + this.target.label + ": " + [...pages].map(([word, n]) => count(n) + " pages " + word).join(", ");
	}

	right(i) { return this.left[i] + 1 + Math.log2(this.list[i].pages); }

	// The first area that ends behind a place.
	indexAt(place) {
		let low = 0, high = this.list.length;
		while (low < high) {
			const mid = low + high >> 1;
			if (this.right(mid) <= place)
				low = mid + 1;
			else
				high = mid;
		}
		return low;
	}

	draw() {
		const width = this.width(), scale = width / (this.to - this.from);
		const nodes = [], first = this.indexAt(this.from);
		let pixel = -1, label = -200, i = first, last = null;
		this.svg.setAttribute("viewBox", "0 0 " + width + " " + HEIGHT);
		for (; i < this.list.length && this.left[i] < this.to; i++) {
			const area = this.list[i], x = (this.left[i] - this.from) * scale, w = (this.right(i) - this.left[i]) * scale;
			if (i && this.left[i] > this.right(i - 1) && GAP * scale > 6)
				nodes.push(draw("line", { class: "gap", x1: x - GAP * scale + 2, x2: x - 2, y1: TOP + BAR / 2, y2: TOP + BAR / 2 }));
			if (last && Math.floor(x) === pixel && w < 1) { // behind one that is there: the worst is seen
				if (WORST[toneOf(area)] > WORST[last.dataset.tone])
					this.paint(last, area, i);
				continue;
			}
			pixel = Math.floor(x);
			last = this.paint(draw("rect", { x: x.toFixed(2), width: Math.max(w, 1).toFixed(2) }), area, i);
			nodes.push(last);
			if (w > 6) {
				const text = hex(area.first), at = Math.min(Math.max(x, 2), width - 7 * text.length);
				if (at - label > 118) {
					label = at;
					nodes.push(draw("text", { x: at, y: HEIGHT - 12 }, text));
				}
			}
		}
		if (this.chosen !== undefined) {
			const x = (this.left[this.chosen] - this.from) * scale, w = (this.right(this.chosen) - this.left[this.chosen]) * scale;
			nodes.push(draw("rect", { class: "chosen", x: x - 1, width: Math.max(w, 1) + 2, y: TOP - 4, height: BAR + 8, rx: 2 }));
		}
		this.svg.replaceChildren(...nodes);
		this.range.textContent = i > first ? "shown: " + hex(this.list[first].first) + " to " + lastByte(this.list[i - 1]) + ", " +
			count(i - first) + " of " + count(this.list.length) + " areas" : "";
	}

	// Faults are taller, so that colour is not all that tells them.
	paint(rect, area, i) {
		const tone = toneOf(area);
		rect.setAttribute("class", "area " + tone);
		rect.setAttribute("y", tone === "bad" ? TOP - 5 : TOP);
		rect.setAttribute("height", tone === "bad" ? BAR + 10 : BAR);
		rect.dataset.tone = tone;
		rect.dataset.area = i;
		rect.replaceChildren(draw("title", {}, hex(area.first) + "-" + lastByte(area) + " " + size(area.pages) + " " + words(area)));
		return rect;
	}

	show(from, to) {
		const span = Math.min(Math.max(to - from, 2), this.length);
		this.from = Math.min(Math.max(from, 0), this.length - span);
		this.to = this.from + span;
		this.draw();
	}

	zoom(factor, where) {
		const middle = where === undefined ? this.chosen === undefined ? (this.from + this.to) / 2 :
			(this.left[this.chosen] + this.right(this.chosen)) / 2 : where;
		const span = (this.to - this.from) * factor, share = (middle - this.from) / (this.to - this.from);
		const inside = share >= 0 && share <= 1 ? share : 0.5;
		this.show(middle - span * inside, middle + span * (1 - inside));
	}

	all() { this.show(0, this.length); }

	move(share) {
		const by = (this.to - this.from) * share;
		this.show(this.from + by, this.to + by);
	}

	select(i) {
		this.chosen = i;
		if (i !== undefined && (this.left[i] < this.from || this.right(i) > this.to)) {
			const half = (this.to - this.from) / 2, middle = (this.left[i] + this.right(i)) / 2;
			this.show(middle - half, middle + half);
		} else {
			this.draw();
		}
	}

	pick(i) {
		if (i >= 0 && i < this.list.length)
			this.choose(this.list[i]);
	}

	// The next one from here in a direction that is a fault.
	fault(step) {
		const begin = this.chosen === undefined ? step > 0 ? -1 : this.list.length : this.chosen;
		for (let i = begin + step; i >= 0 && i < this.list.length; i += step)
			if (isFault(this.list[i]))
				return this.pick(i);
	}

	key(event) {
		const at = this.chosen, none = at === undefined;
		const keys = {
			ArrowRight: () => event.shiftKey ? this.move(0.25) : this.pick(none ? this.indexAt(this.from) : at + 1),
			ArrowLeft: () => event.shiftKey ? this.move(-0.25) : this.pick(none ? this.indexAt(this.from) : at - 1),
			Home: () => this.pick(0), End: () => this.pick(this.list.length - 1),
			"+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.all(),
			n: () => this.fault(1), p: () => this.fault(-1),
		};
		if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey)
			return;
		event.preventDefault();
		keys[event.key]();
	}

	width() { return this.svg.getBoundingClientRect().width || 1000; }

	place(event) {
		const box = this.svg.getBoundingClientRect();
		return this.from + (event.clientX - box.left) / box.width * (this.to - this.from);
	}

	wheel(event) {
		if (event.ctrlKey || event.metaKey || event.shiftKey) { // a plain wheel scrolls the page
			event.preventDefault();
			this.zoom((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, this.place(event));
		}
	}

	drag(event) {
		const begin = event.clientX, from = this.from, to = this.to, width = this.width();
		const moved = next => {
			const by = (begin - next.clientX) / width * (to - from);
			this.dragged = this.dragged || Math.abs(next.clientX - begin) > 4;
			if (this.dragged)
				this.show(from + by, to + by);
		};
		const up = () => {
			removeEventListener("pointermove", moved);
			removeEventListener("pointerup", up);
		};
		this.dragged = false;
		addEventListener("pointermove", moved);
		addEventListener("pointerup", up);
	}

	click(event) {
		if (this.dragged)
			return;
		const rect = event.target.closest("rect.area");
		this.pick(rect ? Number(rect.dataset.area) : this.indexAt(this.place(event)));
	}
}
