/** The page: what is shown where. */
import { useEffect } from "preact/hooks";
import { CompareView } from "./compare-view.tsx";
import { Dialog } from "./dialog.tsx";
import { DiskView, DurabilityLight } from "./durability.tsx";
import { FilePane } from "./file-pane.tsx";
import { FileTree } from "./file-tree.tsx";
import { Icon } from "./icons.tsx";
import { QuarantineView } from "./quarantine-view.tsx";
import { SearchBox, SearchResults, searchText } from "./search.tsx";
import { about, failure, go, path, timeline, VIEWS, type View, view } from "./state.ts";
import { setTheme, type Theme, theme } from "./theme.ts";
import { TimelinePanel } from "./timeline.tsx";
import { Messages } from "./toast.tsx";
import { type Key, type Language, language, setLanguage, t } from "./words.ts";

export function App() {
	useEffect(() => {
		document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
		document.title = t("title", { namespace: about.value?.namespace ?? "" });
	}, [language.value, about.value]);
	if (failure.value?.code === "IDENTITY_REFUSED" && timeline.value === undefined)
		return (
			<main class="alone">
				<h1>openclaw-sidecar</h1>
				<p role="alert">{t("noToken")}</p>
			</main>
		);
	return (
		<>
			<a class="skip" href="#main">
				{t("skip")}
			</a>
			<Header />
			<main id="main" tabIndex={-1}>
				<TimelinePanel />
				<Tabs />
				<div id="panel" role="tabpanel" aria-labelledby={`tab-${view.value}`} class="panel">
					<Panel />
				</div>
			</main>
			<Messages />
			<Dialog />
		</>
	);
}

function Panel() {
	switch (view.value) {
		case "files":
			return <FilesView />;
		case "changes":
			return <CompareView />;
		case "quarantine":
			return <QuarantineView />;
		case "disk":
			return <DiskView />;
	}
}

function FilesView() {
	const hasChoice = path.value !== undefined;
	return (
		<div class={`split ${hasChoice ? "has-choice" : ""}`}>
			<section class="list-pane" aria-label={t("files")}>
				<SearchBox />
				{searchText.value.trim() === "" ? <FileTree /> : <SearchResults />}
			</section>
			<FilePane />
		</div>
	);
}

function Header() {
	const known = about.value;
	return (
		<header class="header">
			<h1>
				<Icon name="restore" />
				{known?.namespace ?? "openclaw-sidecar"}
			</h1>
			<p class="soft where" title={known?.logUrl}>
				{known?.logUrl}
			</p>
			{known !== undefined && (
				<span class={`badge ${known.allowsRestore ? "badge-restore" : ""}`}>
					{t(known.allowsRestore ? "canRestore" : "readOnly")}
				</span>
			)}
			<DurabilityLight />
			<div class="settings">
				<label>
					<span class="visually-hidden">{t("language")}</span>
					<select
						value={language.value}
						onChange={(event) => setLanguage(event.currentTarget.value as Language)}
					>
						<option value="en" lang="en">
							English
						</option>
						<option value="zh" lang="zh-CN">
							中文
						</option>
					</select>
				</label>
				<label>
					<span class="visually-hidden">{t("theme")}</span>
					<select
						value={theme.value}
						onChange={(event) => setTheme(event.currentTarget.value as Theme)}
					>
						<option value="auto">{t("themeAuto")}</option>
						<option value="light">{t("themeLight")}</option>
						<option value="dark">{t("themeDark")}</option>
					</select>
				</label>
			</div>
		</header>
	);
}

const TAB_WORDS: Readonly<Record<View, Key>> = {
	files: "files",
	changes: "changes",
	quarantine: "quarantine",
	disk: "disk",
};

function Tabs() {
	const onKeyDown = (event: KeyboardEvent) => {
		const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key as "ArrowLeft"];
		if (by === undefined) return;
		const next = VIEWS[(VIEWS.indexOf(view.value) + by + VIEWS.length) % VIEWS.length] as View;
		go({ view: next });
		document.getElementById(`tab-${next}`)?.focus();
		event.preventDefault();
	};
	return (
		<div class="tabs" role="tablist" aria-label={t("views")} onKeyDown={onKeyDown}>
			{VIEWS.map((each) => (
				<button
					key={each}
					type="button"
					role="tab"
					id={`tab-${each}`}
					aria-selected={view.value === each}
					aria-controls="panel"
					tabIndex={view.value === each ? 0 : -1}
					onClick={() => go({ view: each })}
				>
					{t(TAB_WORDS[each])}
				</button>
			))}
		</div>
	);
}
