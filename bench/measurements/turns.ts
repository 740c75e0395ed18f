import { setTimeout as delay } from "node:timers/promises";
import { takeTurn } from "../../packages/testkit/openclaw/generate-state.ts";
import { atMost } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { generated } from "../workloads.ts";

/** A day of an agent with many conversations. */
const TURNS_A_DAY = 500;
const DOLLARS = 0.02;
/** S3 Standard, us-east-1, per request. */
const PRICE: Readonly<Record<string, number>> = {
	PUT: 0.005 / 1000,
	LIST: 0.005 / 1000,
	GET: 0.0004 / 1000,
	HEAD: 0.0004 / 1000,
	DELETE: 0,
};
const TURNS = 20;
/** One commit per turn, because the default quiet period is 1 s. */
const BETWEEN_MS = 4_000;

const A_DAY = `a day of ${TURNS_A_DAY} turns, dollars`;

export const turns: Measurement = {
	name: "turns",
	title:
		"Requests of a daemon with its default settings while OpenClaw's state changes turn by turn",
	budgets: [
		atMost(
			`a day of ${TURNS_A_DAY} turns, requests at S3's price`,
			A_DAY,
			DOLLARS,
			(value) => `$${value.toFixed(4)}`,
			`<= $${DOLLARS} per user`,
		),
	],
	run: async (lab) => {
		const workspace = lab.fresh("turns");
		await generated(workspace, 10);
		const place = lab.place(workspace, "turns", "openclaw", lab.countedEndpoint);
		await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
		const count = Math.max(3, Math.round(TURNS * Math.min(1, lab.options.scale)));
		const { traffic } = await lab.counted(async () => {
			const daemon = await lab.tool.daemon(place);
			for (let turn = 0; turn < count; turn++) {
				takeTurn(workspace, turn);
				await delay(lab.waitMs(BETWEEN_MS, 2_000));
			}
			await daemon.stop();
		});
		const dollars = Object.entries(traffic.requests).reduce(
			(sum, [name, requests]) => sum + requests * (PRICE[name] ?? Number.NaN),
			0,
		);
		const counts = Object.entries(traffic.requests).map(
			([name, requests]) =>
				[`${name} of ${count} turns, start and end included`, [requests]] as const,
		);
		return {
			figures: {
				[A_DAY]: [(dollars / count) * TURNS_A_DAY],
				"sent per turn, bytes": [traffic.sentBytes / count],
				...Object.fromEntries(counts),
			},
		};
	},
};
