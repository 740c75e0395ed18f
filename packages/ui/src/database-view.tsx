/** The tables of a SQLite database, a page of rows at a time. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Table, TableName } from "../../sidecar/src/ui/api.ts";
import { ask, isAbort, toAskError } from "./ask.ts";
import { t } from "./words.ts";

const PAGE_ROWS = 100;

export function DatabaseView({
	path,
	at,
	tables,
	confirmed,
}: {
	readonly path: string;
	readonly at: number;
	readonly tables: readonly TableName[];
	readonly confirmed: boolean;
}) {
	const chosen = useSignal(tables[0]?.name ?? "");
	const table = useSignal<Table | undefined>(undefined);
	const problem = useSignal<string | undefined>(undefined);
	const load = async (offset: number, signal?: AbortSignal) => {
		try {
			const wanted = { path, at, confirmed, table: chosen.value, offset, limit: PAGE_ROWS };
			const found = await ask<Table>("table", wanted, signal);
			const before = offset === 0 ? [] : (table.value?.rows ?? []);
			table.value = { ...found, rows: [...before, ...found.rows] };
			problem.value = undefined;
		} catch (error) {
			if (!isAbort(error)) problem.value = toAskError(error).message;
		}
	};
	useEffect(() => {
		if (chosen.value === "") return;
		const stop = new AbortController();
		table.value = undefined;
		void load(0, stop.signal);
		return () => stop.abort();
	}, [path, at, chosen.value]);
	return (
		<div class="database">
			<label class="database-head">
				<span>{t("table")}</span>
				<select
					value={chosen.value}
					onChange={(event) => {
						chosen.value = event.currentTarget.value;
					}}
				>
					{tables.map(({ name, rows }) => (
						<option key={name} value={name}>
							{rows === undefined ? name : `${name} (${t("rows", { count: rows })})`}
						</option>
					))}
				</select>
			</label>
			{problem.value !== undefined && <p class="problem">{problem.value}</p>}
			{table.value !== undefined && (
				<div class="scroll-x" tabIndex={0}>
					<table class="data">
						<thead>
							<tr>
								{table.value.columns.map((column) => (
									<th scope="col" key={column}>
										{column}
									</th>
								))}
							</tr>
						</thead>
						<tbody>
							{table.value.rows.map((row, index) => (
								<tr key={index}>
									{row.map((cell, column) => (
										<td key={table.value?.columns[column]} title={cell ?? "NULL"}>
											{cell ?? <span class="soft">NULL</span>}
										</td>
									))}
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
			{table.value?.hasMore === true && (
				<button type="button" onClick={() => load(table.value?.rows.length ?? 0)}>
					{t("more")}
				</button>
			)}
		</div>
	);
}
