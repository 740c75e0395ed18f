import type { OpenClawStack } from "./stack.ts";
export function acknowledge(_stack: OpenClawStack): void {}
