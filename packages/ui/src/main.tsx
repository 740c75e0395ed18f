import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { start } from "./state.ts";

render(<App />, document.body);
void start();
