import { type DragEvent, useId, useRef, useState } from "react";
import { buttonClass, classes } from "@/components/ui";
import { m } from "../messages";
import { useUploads } from "./context";
import { isSeen } from "./drop";

interface ChooserProps {
  label: string;
  primary?: boolean;
  /** Choose a folder, of which all files are taken. */
  folder?: boolean;
  take: (files: File[]) => void;
}

/** A button that asks for files: for those who do not drag. */
function Chooser({ label, primary, folder, take }: ChooserProps) {
  return (
    <label
      className={classes(
        buttonClass(primary ? "primary" : "secondary"),
        "cursor-pointer has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent",
      )}
    >
      {label}
      <input
        type="file"
        multiple
        // React's types do not know it: all browsers do
        {...(folder && { webkitdirectory: "" })}
        className="sr-only"
        onChange={(event) => {
          take([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </label>
  );
}

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
      <div className="mt-3 flex flex-wrap justify-center gap-2">
        <Chooser label={m.chooseFiles} primary take={(files) => uploads.add(files)} />
        <Chooser label={m.chooseAFolder} folder take={(files) => uploads.add(files.filter(isSeen))} />
      </div>
    </fieldset>
  );
}
