/**
 * Who may talk to the agents, as people write it: `["telegram.4711"]`, or `{"telegram.4711":
 * "anna"}` if one person writes from several channels. Also one sender per line, with or without a
 * name: `telegram.4711 anna`. `#` begins a comment.
 */

/** Person by sender. */
export type Users = Readonly<Record<string, string>>;

const SENDERS: Readonly<Record<string, { readonly id: RegExp; readonly example: string }>> = {
	telegram: { id: /^\d{1,20}$/, example: "telegram.4711 (the number, not the @name)" },
	slack: {
		id: /^[A-Z0-9]{2,32}\.[A-Z0-9]{2,32}$/,
		example: "slack.T012AB3CD.U061F7AUR (team and member)",
	},
	feishu: { id: /^[A-Za-z0-9_-]{1,80}$/, example: "feishu.ou_7d8a6e6df7621556 (the open_id)" },
};

/** IAM and S3 take any name, because the namespace encodes it. This one also fits on a line. */
const NAME = /^[^\s\p{C}]{1,256}$/u;

/** @throws Error that names the wrong entry */
export function usersFrom(value: unknown): Users {
	if (typeof value === "string") return usersFrom(parse(value));
	if (typeof value !== "object" || value === null)
		throw new Error(`must be a list or an object of users, not ${JSON.stringify(value)}`);
	const pairs: readonly (readonly [unknown, unknown])[] = Array.isArray(value)
		? value.map((item: unknown) => (Array.isArray(item) ? [item[0], item[1]] : [item, item]))
		: Object.entries(value);
	const users = new Map<string, string>();
	for (const [sender, user] of pairs) {
		const known = senderOf(sender);
		if (typeof user !== "string" || !NAME.test(user))
			throw new Error(
				`${known}: ${JSON.stringify(user)} is no name of a person; use text without spaces`,
			);
		const before = users.get(known);
		if (before !== undefined && before !== user)
			throw new Error(`${known} is both ${before} and ${user}: keep one of them`);
		users.set(known, user);
	}
	return Object.fromEntries(users);
}

/** @throws Error */
export function senderOf(value: unknown): string {
	const text = typeof value === "string" ? value : "";
	const [, channel = "", id = ""] = /^([a-z]+)\.(.*)$/s.exec(text) ?? [];
	const known = Object.hasOwn(SENDERS, channel) ? SENDERS[channel] : undefined;
	if (known?.id.test(id)) return text;
	const examples = Object.values(SENDERS).map(({ example }) => example);
	throw new Error(
		`${JSON.stringify(value)} is no user of a channel; it must look like ${known?.example ?? examples.join(", ")}`,
	);
}

/** JSON, or lines. */
function parse(text: string): unknown {
	if (/^\s*[[{]/.test(text)) {
		try {
			return JSON.parse(text);
		} catch (error) {
			throw new Error(`is not JSON: ${(error as Error).message}`);
		}
	}
	return text
		.replace(/^\uFEFF/, "")
		.split(/[\r\n,]+/)
		.map((line) => line.replace(/(^|\s)#.*/, "").trim())
		.filter(Boolean)
		.map((line) => {
			const [sender, user = sender, ...more] = line.split(/[\s=]+/);
			if (more.length > 0)
				throw new Error(`${JSON.stringify(line)} has ${2 + more.length} words, at most 2`);
			return [sender, user];
		});
}
