import { type DragEvent, useId, useRef, useState } from "react";
import { classes } from "@/components/ui";
import { m } from "../messages";
import { useUploads } from "./context";

/** Where files are dropped or chosen. */
export function DropZone() {
  const uploads = useUploads();
  const id = useId();
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  const drag = (change: number) => (event: DragEvent) => {
    event.preventDefault();
    depth.current = Math.max(depth.current + change, 0);
    setOver(depth.current > 0);
  };
  const drop = (event: DragEvent) => {
    // the page as a whole takes the files (usePageDrop)
    event.preventDefault();
    depth.current = 0;
    setOver(false);
  };
  return (
    <fieldset
      aria-labelledby={id}
      onDragEnter={drag(1)}
      onDragLeave={drag(-1)}
      onDragOver={(event) => event.preventDefault()}
      onDrop={drop}
      className={classes(
        "grid justify-items-center gap-1 rounded-xl border-2 border-dashed px-6 py-8 text-center transition-colors",
        over ? "border-accent bg-tint" : "border-field bg-surface",
      )}
    >
      <p id={id} className="text-lg font-medium">
        {over ? m.letGoToUpload : m.dropFilesHere}
      </p>
      <p className="text-muted">{m.whatCanBeUploaded}</p>
      <label className="mt-3 inline-flex min-h-9 cursor-pointer items-center rounded-lg bg-accent px-3.5 font-medium text-on-accent hover:bg-accent-strong has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent">
        {m.chooseFiles}
        <input
          type="file"
          multiple
          className="sr-only"
          onChange={(event) => {
            uploads.add(event.target.files ?? []);
            event.target.value = "";
          }}
        />
      </label>
    </fieldset>
  );
}
