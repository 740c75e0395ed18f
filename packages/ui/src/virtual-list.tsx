/** A list of any length: only the rows in sight exist. */
import type { ComponentChildren, CSSProperties, HTMLAttributes } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const OVERSCAN = 8;

export interface VirtualListProps {
	readonly count: number;
	readonly rowHeight: number;
	/** The row at an index, of which `style` gives the place. */
	readonly children: (index: number, style: CSSProperties) => ComponentChildren;
	/** Scrolled into sight when it changes. */
	readonly active?: number | undefined;
	readonly rootRef?: { current: HTMLDivElement | null };
	readonly root: HTMLAttributes<HTMLDivElement>;
	/** Before the rows; it scrolls away with them. */
	readonly header?: ComponentChildren;
}

export function VirtualList({
	count,
	rowHeight,
	children,
	active,
	root,
	rootRef,
	header,
}: VirtualListProps) {
	const own = useRef<HTMLDivElement>(null);
	const ref = rootRef ?? own;
	const [sight, setSight] = useState({ top: 0, height: 600 });

	useLayoutEffect(() => {
		const element = ref.current;
		if (element === null) return;
		let frame = 0;
		const look = () => {
			frame = 0;
			const next = { top: element.scrollTop, height: element.clientHeight };
			setSight((now) => (now.top === next.top && now.height === next.height ? now : next));
		};
		const soon = () => {
			if (frame === 0) frame = requestAnimationFrame(look);
		};
		look();
		element.addEventListener("scroll", soon, { passive: true });
		const observer = new ResizeObserver(soon);
		observer.observe(element);
		return () => {
			cancelAnimationFrame(frame);
			element.removeEventListener("scroll", soon);
			observer.disconnect();
		};
	}, []);

	useEffect(() => {
		const element = ref.current;
		if (element === null || active === undefined || active < 0) return;
		const top = active * rowHeight;
		if (top < element.scrollTop) element.scrollTop = top;
		else if (top + rowHeight > element.scrollTop + element.clientHeight)
			element.scrollTop = top + rowHeight - element.clientHeight;
	}, [active, rowHeight]);

	const first = Math.max(0, Math.floor(sight.top / rowHeight) - OVERSCAN);
	const last = Math.min(count, Math.ceil((sight.top + sight.height) / rowHeight) + OVERSCAN);
	const rows: ComponentChildren[] = [];
	for (let index = first; index < last; index++)
		rows.push(children(index, { top: `${index * rowHeight}px`, height: `${rowHeight}px` }));
	return (
		<div {...root} ref={ref} class={`virtual ${root.class ?? ""}`}>
			{header}
			<div class="virtual-rows" role="presentation" style={{ height: `${count * rowHeight}px` }}>
				{rows}
			</div>
		</div>
	);
}
