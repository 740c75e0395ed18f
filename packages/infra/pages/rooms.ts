/** The rooms of this package with their size, for README.md, and how much a first reading is. */
import { readdirSync, readFileSync } from "node:fs";

const ROOMS: Readonly<Record<string, string>> = {
	lib: "what is deployed: `stack.ts` connects the constructs of the rooms below; accepted findings of cdk-nag",
	"lib/settings":
		"settings and environments; regions, models, users, hosts that a machine must reach",
	"lib/storage": "the bucket of the workspaces, who may delete from it, retention",
	"lib/access": "the role of a user's machine, who signs its tokens, the operators' roles",
	"lib/machines": "image, runtime, network and its endpoints",
	"lib/chats": "the webhook API, WAF, the way of a message, the channels' secrets",
	"lib/watch": "who changed or read data; Falco; alarms, dashboard, saved queries",
	"lib/parts": "what functions, log groups, keys and schedules have in common",
	lambda: "what runs there: six functions, one file each ([README](lambda/README.md))",
	"lambda/channels": "a channel's requests, and its API",
	"lambda/webhook": "the webhook handler",
	"lambda/worker": "the request to the agent, attachments, progress",
	"lambda/state": "what the functions remember, in one table",
	"lambda/format": "an answer's Markdown in each channel's format",
	"lambda/rotation": "the steps of a rotation, and the channels' differences",
	"lambda/retention": "the messages of retention's queue",
	"lambda/shared": "environment, log, secrets, signing key, the queue's message",
	tools:
		"`pnpm infra:up`, `infra:smoke`, `infra:down`, `infra:users`, `infra:repair`, `infra:doctor`: one `*-tool.ts` each",
	doctor: "the checks of `infra:doctor`",
	pages: "what writes pages of the documentation",
};

/** Tables that documents print, two of three channels, rotation, and Falco, which is optional. */
const SKIPPED =
	/settings\/(?:config|users)|acknowledgements|watch\/(?:alarms|changes|selectors|queries|dashboard|falco)|falco-findings|telegram|feishu|rotation/;

const HOME = new URL("..", import.meta.url);

/** Without comments, empty lines and tests. */
function linesOf(room: string, isCounted = (_path: string) => true): number {
	return readdirSync(new URL(room, HOME))
		.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
		.map((name) => `${room}/${name}`)
		.filter(isCounted)
		.flatMap((path) => readFileSync(new URL(path, HOME), "utf8").split("\n"))
		.filter((line) => !/^\s*(?:\/\/|\/\*|\*|$)/.test(line)).length;
}

export function linesOfFirstReading(): number {
	return Object.keys(ROOMS)
		.filter((room) => /^(?:lib|lambda)/.test(room))
		.reduce((sum, room) => sum + linesOf(room, (path) => !SKIPPED.test(path)), 0);
}

/** Rounded, so that a small change does not change the page. */
export function withRooms(readme: string): string {
	const rows = Object.entries(ROOMS).map(
		([room, what]) => `| \`${room}\` | ${what} | ${Math.round(linesOf(room) / 50) * 50} |`,
	);
	const table = ["| room | what | lines of code |", "|---|---|---|", ...rows].join("\n");
	return readme.replace(
		/(<!-- rooms: written by pnpm docs:write -->\n)[\s\S]*?(\n<!-- end of rooms -->)/,
		(_, begin: string, end: string) => begin + table + end,
	);
}
