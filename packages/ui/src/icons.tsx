/** Drawn for this page: 16 units square, in the colour of the text. */
const PATHS = {
	dir: "M1.5 4.5v8a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1v-6a1 1 0 0 0-1-1H8L6.5 3.5h-4a1 1 0 0 0-1 1z",
	file: "M4 1.5h5l3.5 3.5v9a.5.5 0 0 1-.5.5H4a.5.5 0 0 1-.5-.5V2a.5.5 0 0 1 .5-.5zM9 1.5V5h3.5",
	link: "M6.5 9.5l3-3M5.5 7.5L4 9a2.5 2.5 0 0 0 3.5 3.5L9 11M10.5 8.5L12 7a2.5 2.5 0 0 0-3.5-3.5L7 5",
	chevron: "M6 4l4 4-4 4",
	left: "M10 4L6 8l4 4",
	right: "M6 4l4 4-4 4",
	end: "M5 4l4 4-4 4M11.5 4v8",
	plus: "M8 3.5v9M3.5 8h9",
	minus: "M3.5 8h9",
	all: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
	search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5l3 3",
	download: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M2.5 13.5h11",
	restore: "M3 8a5 5 0 1 1 1.5 3.6M3 4v4h4",
	lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
	alarm: "M8 2L1.5 13.5h13zM8 6.5v3.5M8 11.7v.3",
	table: "M2 3h12v10H2zM2 6.5h12M2 10h12M7 3v10",
	chart: "M3 13V7M6.5 13V3.5M10 13V9M13.5 13V5.5",
	close: "M4 4l8 8M12 4l-8 8",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
	return (
		<svg class={`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
			<path d={PATHS[name]} />
		</svg>
	);
}
