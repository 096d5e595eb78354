/** What people come for most, as the pages offer it; the pipeline of each is `features/pipelines/templates.ts`. */
import { m } from "./messages";

export const TEMPLATES = [
  {
    id: "lines",
    title: () => m.keepMatchingLines,
    text: () => m.keepMatchingLinesText,
  },
  {
    id: "convert",
    title: () => m.convertToParquet,
    text: () => m.convertToParquetText,
  },
  {
    id: "summary",
    title: () => m.summariseByGroup,
    text: () => m.summariseByGroupText,
  },
] as const;

export type TemplateId = (typeof TEMPLATES)[number]["id"];
