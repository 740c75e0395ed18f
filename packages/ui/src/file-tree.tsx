/** The tree at the moment of the timeline, as an ARIA tree of any size. */
import { signal } from "@preact/signals";
import type { CSSProperties } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { EntryAt, Level } from "../../sidecar/src/ui/api.ts";
import { ask, isAbort, toAskError } from "./ask.ts";
import { bytes, printable } from "./format.ts";
import { Icon } from "./icons.tsx";
import { at, failure, go, path } from "./state.ts";
import { TreeModel, type VisibleRow } from "./tree-model.ts";
import { VirtualList } from "./virtual-list.tsx";
import { t } from "./words.ts";

const ROW_PX = 26;
/** Where an agent of OpenClaw works. */
const OPEN_AT_FIRST = ["workspace"];
/** Arrow keys may pass many commits in a second. */
const PAUSE_MS = 120;

const model = signal<TreeModel | undefined>(undefined);
/** The row with the keyboard's focus. */
const active = signal(0);

export function FileTree() {
	const root = useRef<HTMLDivElement>(null);
	const seq = at.value;
	useEffect(() => {
		if (seq === 0) return;
		const stop = new AbortController();
		const load = async () => {
			const next = makeModel(seq, model.peek()?.openPaths ?? OPEN_AT_FIRST);
			try {
				await next.start();
			} catch {
				return;
			}
			if (stop.signal.aborted) return;
			model.value = next;
			if (active.peek() >= next.count) active.value = 0;
		};
		const timer = setTimeout(load, model.peek() === undefined ? 0 : PAUSE_MS);
		return () => {
			clearTimeout(timer);
			stop.abort();
		};
	}, [seq]);
	const shown = model.value;
	shown?.version.value;
	if (shown === undefined) return <p class="notice">{t("loading")}</p>;
	if (shown.count === 0) return <p class="notice">{t("empty")}</p>;

	const move = (to: number) => {
		active.value = Math.min(shown.count - 1, Math.max(0, to));
	};
	const choose = (index: number) => {
		const row = shown.at(index);
		active.value = index;
		if (row?.path === undefined) return;
		if (row.row?.type === "dir") shown.toggle(index);
		go({ path: row.path });
	};
	const onKeyDown = (event: KeyboardEvent) => {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const page = Math.max(1, Math.floor((root.current?.clientHeight ?? 300) / ROW_PX) - 1);
		const row = shown.at(active.value);
		switch (event.key) {
			case "ArrowDown":
				move(active.value + 1);
				break;
			case "ArrowUp":
				move(active.value - 1);
				break;
			case "PageDown":
				move(active.value + page);
				break;
			case "PageUp":
				move(active.value - page);
				break;
			case "Home":
				move(0);
				break;
			case "End":
				move(shown.count - 1);
				break;
			case "ArrowRight":
				if (row?.row?.type !== "dir") return;
				if (row.isOpen) move(active.value + 1);
				else shown.toggle(active.value);
				break;
			case "ArrowLeft":
				if (row?.isOpen) shown.toggle(active.value);
				else move(parentIndex(shown, active.value));
				break;
			case "Enter":
			case " ":
				choose(active.value);
				break;
			default:
				return;
		}
		event.preventDefault();
	};
	return (
		<VirtualList
			count={shown.count}
			rowHeight={ROW_PX}
			active={active.value}
			rootRef={root}
			root={{
				role: "tree",
				tabIndex: 0,
				class: "tree",
				"aria-label": t("tree"),
				"aria-activedescendant": `row-${active.value}`,
				onKeyDown,
			}}
		>
			{(index, style) => (
				<TreeRow
					key={index}
					index={index}
					visible={shown.at(index)}
					style={style}
					onChoose={() => choose(index)}
				/>
			)}
		</VirtualList>
	);
}

function TreeRow({
	index,
	visible,
	style,
	onChoose,
}: {
	readonly index: number;
	readonly visible: VisibleRow | undefined;
	readonly style: CSSProperties;
	readonly onChoose: () => void;
}) {
	const { row, depth = 0, isOpen = false, position, siblings } = visible ?? {};
	const isDirectory = row?.type === "dir";
	return (
		<div
			role="treeitem"
			id={`row-${index}`}
			aria-level={depth + 1}
			aria-setsize={siblings}
			aria-posinset={position}
			aria-selected={visible?.path !== undefined && visible.path === path.value}
			{...(isDirectory && { "aria-expanded": isOpen })}
			class={`tree-row ${index === active.value ? "is-active" : ""}`}
			style={style}
			onClick={onChoose}
		>
			{row === undefined ? (
				<span class="soft">…</span>
			) : (
				<>
					<span class="indent" style={{ width: `${depth * 14}px` }} />
					<span class={`twist ${isOpen ? "is-open" : ""}`}>
						{isDirectory && <Icon name="chevron" />}
					</span>
					<Icon name={row.type} />
					<span class="name">{printable(row.name)}</span>
					{row.secret === true && <Icon name="lock" />}
					<span class="size">{row.type === "link" ? "" : bytes(row.size ?? 0)}</span>
				</>
			)}
		</div>
	);
}

function parentIndex(tree: TreeModel, index: number): number {
	const depth = tree.at(index)?.depth ?? 0;
	for (let above = index - 1; above >= 0; above--)
		if ((tree.at(above)?.depth ?? 0) < depth) return above;
	return index;
}

function makeModel(seq: number, open: Iterable<string>): TreeModel {
	return new TreeModel(
		async (directory, offset, limit) =>
			await ask<Level>("level", { at: seq, path: directory, offset, limit }),
		(error) => {
			if (!isAbort(error)) failure.value = toAskError(error);
		},
		open,
	);
}

/** Opens the directories above a path, and brings its row into sight. */
export async function reveal(wanted: string, seq: number): Promise<void> {
	const { path: found, trail } = await ask<EntryAt>("entry", { at: seq, path: wanted });
	const next = makeModel(seq, model.peek()?.openPaths ?? OPEN_AT_FIRST);
	await next.start();
	active.value = await next.reveal(trail);
	model.value = next;
	go({ at: seq, path: found, view: "files" });
}
