import "@preact/signals";
import { render } from "preact";
import { readPlace } from "./identity";
import { createPortal } from "./portal";
import "./style.css";
import { App } from "./ui/app";
import { Start } from "./ui/start";

const place = readPlace(location.search);
const root = document.getElementById("app")!;
render(place ? <App portal={createPortal(place)} /> : <Start />, root);
