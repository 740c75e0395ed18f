/**
 * The structure of a Falco condition: its comparisons, fields and macros. Nothing is evaluated;
 * falco/test/run uses a real engine for that.
 */
export type Condition =
	| { readonly kind: "and" | "or"; readonly parts: readonly Condition[] }
	| { readonly kind: "not"; readonly part: Condition }
	| { readonly kind: "macro"; readonly name: string }
	| Comparison;

export interface Comparison {
	readonly kind: "comparison";
	/** The name without the part in brackets. */
	readonly field: string;
	readonly operator: string;
	/** Quoted or bare. Fields and functions on the right side are in `fields`. */
	readonly values: readonly Value[];
	/** Additional fields, from val(), concat() and the like, on either side. */
	readonly fields: readonly string[];
	readonly functions: readonly string[];
}

export interface Value {
	readonly text: string;
	readonly isQuoted: boolean;
}

const OPERATORS = new Set(
	"exists = == != < <= > >= contains icontains bcontains glob iglob startswith bstartswith endswith in intersects pmatch regex".split(
		" ",
	),
);
const FUNCTIONS = new Set([
	"val",
	"concat",
	"join",
	"toupper",
	"tolower",
	"b64",
	"basename",
	"len",
	"storage",
	"getopt",
]);
/**
 * Strings, brackets of a field's argument, parentheses, commas, operators, and other text up to a
 * space or one of these.
 */
const TOKEN =
	/\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[(),]|[<>=!]=?|[^\s(),<>=!"'[]+(?:\[[^\]]*\])?)/y;

export class ConditionError extends Error {}

/** @throws ConditionError with the place */
export function parseCondition(text: string): Condition {
	const parser = new Parser(tokensOf(text));
	const condition = parser.readOr();
	parser.expectEnd();
	return condition;
}

/** Every comparison, at any depth. */
export function comparisonsOf(condition: Condition): readonly Comparison[] {
	if (condition.kind === "comparison") return [condition];
	if (condition.kind === "macro") return [];
	return (condition.kind === "not" ? [condition.part] : condition.parts).flatMap(comparisonsOf);
}

export function macrosOf(condition: Condition): readonly string[] {
	if (condition.kind === "comparison") return [];
	if (condition.kind === "macro") return [condition.name];
	return (condition.kind === "not" ? [condition.part] : condition.parts).flatMap(macrosOf);
}

function tokensOf(text: string): readonly string[] {
	const tokens: string[] = [];
	TOKEN.lastIndex = 0;
	while (TOKEN.lastIndex < text.trimEnd().length) {
		const at = TOKEN.lastIndex;
		const [, token] = TOKEN.exec(text) ?? [];
		if (token === undefined)
			throw new ConditionError(`cannot be read from "${text.slice(at, at + 30).trim()}"`);
		tokens.push(token);
	}
	return tokens;
}

class Parser {
	readonly #tokens: readonly string[];
	#at = 0;

	constructor(tokens: readonly string[]) {
		this.#tokens = tokens;
	}

	readOr(): Condition {
		return this.#readList("or", () => this.#readList("and", () => this.#readTerm()));
	}

	expectEnd(): void {
		if (this.#peek() !== undefined)
			throw new ConditionError(`"${this.#peek()}" is not expected here`);
	}

	#readList(kind: "and" | "or", read: () => Condition): Condition {
		const first = read();
		const parts = [first];
		while (this.#peek() === kind) {
			this.#at++;
			parts.push(read());
		}
		return parts.length === 1 ? first : { kind, parts };
	}

	#readTerm(): Condition {
		if (this.#peek() === "not") {
			this.#at++;
			return { kind: "not", part: this.#readTerm() };
		}
		if (this.#peek() === "(") {
			this.#at++;
			const inner = this.readOr();
			this.#expect(")");
			return inner;
		}
		return this.#readComparison();
	}

	#readComparison(): Condition {
		const token = this.#next();
		const isFunction = FUNCTIONS.has(token) && this.#peek() === "(";
		const left = isFunction
			? this.#readFunction(token)
			: { fields: [nameOf(token)], functions: [], values: [] };
		const operator = this.#peek() ?? "";
		if (!OPERATORS.has(operator)) {
			if (isFunction || token.includes("."))
				throw new ConditionError(`"${token}" needs an operator, "${operator}" is not one`);
			return { kind: "macro", name: token };
		}
		this.#at++;
		const [field = "", ...more] = left.fields;
		const right =
			operator === "exists" ? { fields: [], functions: [], values: [] } : this.#readRight();
		const fields = [...more, ...right.fields];
		return {
			kind: "comparison",
			field,
			operator,
			fields,
			functions: [...left.functions, ...right.functions],
			values: right.values,
		};
	}

	#readRight(): { fields: string[]; functions: string[]; values: Value[] } {
		const token = this.#next();
		if (FUNCTIONS.has(token) && this.#peek() === "(") return this.#readFunction(token);
		if (token !== "(") return { fields: [], functions: [], values: [readValue(token)] };
		const values: Value[] = [];
		while (this.#peek() !== ")") {
			values.push(readValue(this.#next()));
			if (this.#peek() === ",") this.#at++;
			else if (this.#peek() !== ")")
				throw new ConditionError(`"${this.#peek()}" is not expected in a list`);
		}
		this.#at++;
		return { fields: [], functions: [], values };
	}

	#readFunction(name: string): { fields: string[]; functions: string[]; values: Value[] } {
		const fields: string[] = [];
		const functions = [name];
		this.#expect("(");
		while (this.#peek() !== ")") {
			const token = this.#next();
			if (FUNCTIONS.has(token) && this.#peek() === "(") {
				const inner = this.#readFunction(token);
				fields.push(...inner.fields);
				functions.push(...inner.functions);
			} else if (!/^["']/.test(token)) fields.push(nameOf(token));
			if (this.#peek() === ",") this.#at++;
		}
		this.#at++;
		return { fields, functions, values: [] };
	}

	#peek(): string | undefined {
		return this.#tokens[this.#at];
	}

	#next(): string {
		const token = this.#tokens[this.#at++];
		if (token === undefined) throw new ConditionError("it ends too early");
		return token;
	}

	#expect(token: string): void {
		const found = this.#next();
		if (found !== token)
			throw new ConditionError(`"${token}" is expected, but "${found}" was found`);
	}
}

function nameOf(token: string): string {
	return token.replace(/\[.*$/s, "");
}

function readValue(token: string): Value {
	return /^["']/.test(token)
		? { text: token.slice(1, -1), isQuoted: true }
		: { text: token, isQuoted: false };
}
