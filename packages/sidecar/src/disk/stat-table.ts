import { type FileType, type Stat, sameStat } from "../workspace/stat.ts";

const FIRST_ROWS = 64;
const TYPES: readonly FileType[] = ["file", "dir", "link", "other"];
/** A row's `bits`: 12 of the mode, 2 of the type, 18 for the device. */
const TYPE_SHIFT = 12;
const DEVICE_SHIFT = 14;
const MAX_DEVICES = 2 ** 18 - 1;
/** No device has these bits. */
const NO_STAT = 0xffffffff;

/** Stats by row number, in typed arrays: 56 bytes a row. */
export class StatTable {
	#mtimeNs = new BigInt64Array(FIRST_ROWS);
	#ctimeNs = new BigInt64Array(FIRST_ROWS);
	#birthNs = new BigInt64Array(FIRST_ROWS);
	#ino = new BigUint64Array(FIRST_ROWS);
	#size = new Float64Array(FIRST_ROWS);
	#uid = new Uint32Array(FIRST_ROWS);
	#bits = new Uint32Array(FIRST_ROWS).fill(NO_STAT);
	/** A workspace is on few devices. */
	readonly #devices: bigint[] = [];
	/** What does not fit in the columns, such as a time after 2262. */
	readonly #odd = new Map<number, Stat>();

	get(row: number): Stat | undefined {
		const bits = this.#bits[row] ?? NO_STAT;
		if (bits === NO_STAT) return this.#odd.get(row);
		return {
			type: TYPES[(bits >>> TYPE_SHIFT) & 3] as FileType,
			mode: bits & 0o7777,
			size: this.#size[row] as number,
			mtimeNs: this.#mtimeNs[row] as bigint,
			ctimeNs: this.#ctimeNs[row] as bigint,
			ino: this.#ino[row] as bigint,
			dev: this.#devices[bits >>> DEVICE_SHIFT] as bigint,
			uid: this.#uid[row] as number,
			birthNs: this.#birthNs[row] as bigint,
		};
	}

	set(row: number, stat: Stat | undefined): void {
		this.#odd.delete(row);
		if (row >= this.#bits.length) this.#grow(row);
		this.#bits[row] = NO_STAT;
		if (stat === undefined) return;
		const device = this.#deviceIndex(stat.dev);
		if (device === undefined || !fits(stat)) {
			this.#odd.set(row, stat);
			return;
		}
		this.#mtimeNs[row] = stat.mtimeNs;
		this.#ctimeNs[row] = stat.ctimeNs;
		this.#birthNs[row] = stat.birthNs;
		this.#ino[row] = stat.ino;
		this.#size[row] = stat.size;
		this.#uid[row] = stat.uid;
		this.#bits[row] =
			(stat.mode | (TYPES.indexOf(stat.type) << TYPE_SHIFT) | (device << DEVICE_SHIFT)) >>> 0;
	}

	/** `sameStat` for the row's stat; false if it has none. */
	isSame(row: number, stat: Stat): boolean {
		const bits = this.#bits[row] ?? NO_STAT;
		if (bits === NO_STAT) {
			const odd = this.#odd.get(row);
			return odd !== undefined && sameStat(odd, stat);
		}
		return (
			this.#ctimeNs[row] === stat.ctimeNs &&
			this.#mtimeNs[row] === stat.mtimeNs &&
			this.#size[row] === stat.size &&
			this.#ino[row] === stat.ino &&
			this.#devices[bits >>> DEVICE_SHIFT] === stat.dev &&
			(bits & 0o7777) === stat.mode &&
			TYPES[(bits >>> TYPE_SHIFT) & 3] === stat.type
		);
	}

	#deviceIndex(dev: bigint): number | undefined {
		const known = this.#devices.indexOf(dev);
		if (known >= 0) return known;
		return this.#devices.length < MAX_DEVICES ? this.#devices.push(dev) - 1 : undefined;
	}

	/** By a half, so that the old and the new columns stay small beside each other. */
	#grow(row: number): void {
		const rows = Math.max(row + 1, Math.ceil(this.#bits.length * 1.5));
		const grown = <T extends { set(from: T): void }>(to: T, from: T): T => {
			to.set(from);
			return to;
		};
		this.#mtimeNs = grown(new BigInt64Array(rows), this.#mtimeNs);
		this.#ctimeNs = grown(new BigInt64Array(rows), this.#ctimeNs);
		this.#birthNs = grown(new BigInt64Array(rows), this.#birthNs);
		this.#ino = grown(new BigUint64Array(rows), this.#ino);
		this.#size = grown(new Float64Array(rows), this.#size);
		this.#uid = grown(new Uint32Array(rows), this.#uid);
		this.#bits = grown(new Uint32Array(rows).fill(NO_STAT), this.#bits);
	}
}

function fits({ mtimeNs, ctimeNs, birthNs, ino, mode }: Stat): boolean {
	return (
		isInt64(mtimeNs) &&
		isInt64(ctimeNs) &&
		isInt64(birthNs) &&
		BigInt.asUintN(64, ino) === ino &&
		mode <= 0o7777
	);
}

function isInt64(value: bigint): boolean {
	return BigInt.asIntN(64, value) === value;
}
