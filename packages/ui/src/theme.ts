import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const kept = localStorage.getItem("theme");

export const theme = signal<Theme>(kept === "light" || kept === "dark" ? kept : "auto");

effect(() => {
	if (theme.value === "auto") document.documentElement.removeAttribute("data-theme");
	else document.documentElement.setAttribute("data-theme", theme.value);
});

// What is drawn on a canvas has to be drawn again.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
	if (theme.value === "auto") {
		theme.value = "light";
		theme.value = "auto";
	}
});

export function setTheme(next: Theme): void {
	theme.value = next;
	localStorage.setItem("theme", next);
}
