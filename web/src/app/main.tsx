import "./styles.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { restore } from "@/lib/session";
import { App } from "./app";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
void restore();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
