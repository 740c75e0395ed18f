import { setTimeout as delay } from "node:timers/promises";
import { takeTurn } from "../../packages/testkit/openclaw/generate-state.ts";
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

export const turns: Measurement = {
	name: "turns",
	title:
		"Requests of a daemon with its default settings while OpenClaw's state changes turn by turn",
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
				await delay(BETWEEN_MS);
			}
			await daemon.stop();
		});
		const dollars = Object.entries(traffic.requests).reduce(
			(sum, [name, requests]) => sum + requests * (PRICE[name] ?? Number.NaN),
			0,
		);
		const aDay = (dollars / count) * TURNS_A_DAY;
		return {
			lines: [
				{
					what: `a day of ${TURNS_A_DAY} turns, requests at S3's price`,
					budget: `<= $${DOLLARS} per user`,
					measured: `$${aDay.toFixed(4)}`,
					ratio: aDay / DOLLARS,
					isMet: aDay <= DOLLARS,
				},
			],
			notes: [
				`${count} turns, start and end included: ${Object.entries(traffic.requests)
					.map(([name, requests]) => `${requests} ${name}`)
					.join(", ")}, ${(traffic.sentBytes / count / 1000).toFixed(0)} kB a turn`,
			],
		};
	},
};
