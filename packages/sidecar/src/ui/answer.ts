/** The form of every answer: a schema for the request, and a function. */
import * as z from "zod/mini";

/** One object, or lines of one object each. */
export interface Answer<Request = unknown> {
	readonly schema: z.ZodMiniType<Request>;
	readonly answer: (
		request: Request,
		signal: AbortSignal,
	) => Promise<object> | AsyncGenerator<object>;
}

/** By the name of the request. */
export type Answers = Readonly<Record<string, Answer>>;

/** Ties a schema to its answer, and forgets the type: routes only pass one to the other. */
export function on<Request>(
	schema: z.ZodMiniType<Request>,
	answer: Answer<Request>["answer"],
): Answer {
	return { schema, answer } as Answer;
}

export const AT = z.union([z.int().check(z.minimum(1)), z.string().check(z.maxLength(100))]);
export const PATH = z.string().check(z.maxLength(16_384));
