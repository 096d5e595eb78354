import "./styles.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { restore } from "@/lib/session";
import { startTheme } from "@/lib/theme";
import { App } from "./app";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
startTheme();
void restore();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
