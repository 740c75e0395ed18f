/** Preloaded into the real command: `LIMITS`, as JSON, replaces constants of `log/limits.ts`. */
import { registerHooks } from "node:module";

const limits = JSON.parse(process.env.LIMITS ?? "{}") as Record<string, number>;

registerHooks({
	load(url, context, next) {
		const loaded = next(url, context);
		if (!url.endsWith("/src/log/limits.ts")) return loaded;
		let source = String(loaded.source);
		for (const [name, value] of Object.entries(limits)) {
			const declared = new RegExp(`(export const ${name} = )[^;]+;`);
			if (!declared.test(source)) throw new Error(`no limit ${name}`);
			source = source.replace(declared, `$1${value};`);
		}
		return { ...loaded, source };
	},
});
