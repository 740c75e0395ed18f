import type { Budget } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { median, seconds } from "../statistics.ts";
import { notes } from "../workloads.ts";

const SIZES = [1, 2, 4] as const;
const FILES = 10_000;
/** Linear, plus a fifth for the effect of a larger tree on caches. */
const LINEAR = 1.2;

/** The figure of a size; the plot of growth reads the number of files from it. */
const figureOf = (size: number) => `restore of ${FILES * size} files, ms`;

const linear: Budget = {
	what: "growth: restore of 4 x W1's files",
	limit: `<= 4 x restore of W1, ${LINEAR} for caches`,
	judge: ({ figures }) => {
		const walls = SIZES.map((size) => figures?.[figureOf(size)]);
		const [once, , fourTimes] = walls;
		if (once === undefined || fourTimes === undefined) return undefined;
		const ratio = median(fourTimes) / (4 * median(once));
		const measured = walls.map((each = []) => seconds(median(each))).join(", ");
		return { measured, ratio, isMet: ratio <= LINEAR };
	},
};

export const growth: Measurement = {
	name: "growth",
	title: "Restore of 10,000, 20,000 and 40,000 files of W1's kind",
	budgets: [linear],
	run: async (lab) => {
		const { scale, rounds } = lab.options;
		const figures = Object.fromEntries(SIZES.map((size) => [figureOf(size), [] as number[]]));
		for (const size of SIZES) {
			const directory = lab.fresh("grown");
			notes(directory, FILES * size * scale, (FILES * size * scale) / 10, 4);
			const place = lab.place(directory, `growth-${size}`, "plain", lab.directEndpoint);
			await lab.tool.run("flush", place);
		}
		for (let round = 0; round < rounds; round++) {
			for (const size of SIZES) {
				const place = lab.place(lab.fresh("restored"), `growth-${size}`);
				figures[figureOf(size)]?.push((await lab.tool.run("restore", place)).wallMs);
			}
		}
		return { figures };
	},
};
