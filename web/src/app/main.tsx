import "./styles.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startLanguage } from "@/lib/languages";
import { restore } from "@/lib/session";
import { startTheme } from "@/lib/theme";
import { App } from "./app";
import { TRANSLATIONS } from "./translations";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
startTheme();
void restore();
// not awaited: the file of a language waits for this one
void startLanguage(TRANSLATIONS).then(() =>
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  ),
);
