import { DatabaseSync } from "node:sqlite";

const PAGE_BYTES = 4_096;
const LEVELS = 10;
const INTERIOR_TABLE = 0x05;

/**
 * A database of 48 KiB whose table `bomb` has so many rows that SQLite never finishes to count or
 * skip them: each interior page of its b-tree leads 580 times to the same page.
 */
export function bottomlessDatabase(): Buffer {
	using database = new DatabaseSync(":memory:");
	database.exec("CREATE TABLE bomb (x); INSERT INTO bomb VALUES (1)");
	const sound = Buffer.from(database.serialize());
	const pages: Buffer[] = [sound.subarray(0, PAGE_BYTES)];
	const leaf = LEVELS + 2;
	for (let page = 2; page < leaf; page++) pages.push(interior(page + 1));
	pages.push(sound.subarray(PAGE_BYTES, 2 * PAGE_BYTES));
	const bytes = Buffer.concat(pages);
	bytes.writeUInt32BE(pages.length, 28);
	return bytes;
}

function interior(child: number): Buffer {
	const page = Buffer.alloc(PAGE_BYTES);
	const cells = 580;
	page.writeUInt8(INTERIOR_TABLE, 0);
	page.writeUInt16BE(cells, 3);
	page.writeUInt16BE(PAGE_BYTES - 5 * cells, 5);
	page.writeUInt32BE(child, 8);
	for (let cell = 0; cell < cells; cell++) {
		const at = PAGE_BYTES - 5 * (cell + 1);
		page.writeUInt16BE(at, 12 + 2 * cell);
		page.writeUInt32BE(child, at);
		page.writeUInt8(1, at + 4);
	}
	return page;
}
